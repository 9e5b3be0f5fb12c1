import { createHash, randomBytes } from 'node:crypto'
import { LRUCache } from 'lru-cache'
import { parseChallenges, type Challenge } from './digest-challenge.ts'
import { checkCredentials, type OutboundCredentials } from './outbound-request.ts'

/** A challenge that can be answered. */
export type DigestChallenge = {
  algorithm: 'SHA-256' | 'MD5'
  realm: string
  nonce: string
  opaque: string | null
  stale: boolean
}

type Answered = DigestChallenge & {
  /** Requests made with this nonce; the receiver tells a repeated request by it. */
  uses: number
}

/** What is asked for: `uri` is the request target as it stands in the request line. */
export type DigestTarget = { origin: string; method: string; uri: string }

export type DigestExchange = {
  /** `authorization` by the last challenge of this receiver; null when there was none yet. */
  first: string | null
  /** `authorization` for the one more request that a 401 is worth; null when another would be of no use. */
  answer(challenge: string | string[] | undefined): string | null
  /** The answer was refused as well. The next request then starts anew, instead of trying the password twice. */
  refused(): void
}

const rememberedReceivers = 1_000

/**
 * HTTP Digest (RFC 7616) with MD5 and SHA-256 and `qop=auth`, written here because the packages for it know MD5 only, or
 * take the challenge apart with `split(',')`, which a quoted comma or a second challenge breaks.
 *
 * Not answered: `qop` missing (RFC 2069: no client nonce, so a receiver could choose what is hashed) or only `auth-int`,
 * the `-sess` algorithms, `userhash` (optional for a client), and anything outside printable ASCII, whose encoding is not
 * agreed on.
 */
export function createDigestAuthentication(max = rememberedReceivers) {
  const answered = new LRUCache<string, Answered>({ max })

  /** @throws OutboundFailure `invalid_request` when the credentials cannot be sent. */
  return (credentials: OutboundCredentials, target: DigestTarget): DigestExchange => {
    checkCredentials(credentials.username, credentials.password)
    const key = `${target.origin} ${credentials.username}`
    const use = (challenge: Answered) => {
      challenge.uses += 1
      const cnonce = randomBytes(24).toString('base64')
      return digestAuthorization({ ...target, ...credentials, challenge, cnonce, uses: challenge.uses })
    }
    const known = answered.get(key)
    return {
      first: known ? use(known) : null,
      answer(header) {
        const challenge = header === undefined ? null : chooseChallenge(parseChallenges(header))
        // The same nonce again, and not for its age: it is the password that is wrong.
        if (!challenge || (challenge.nonce === known?.nonce && !challenge.stale)) {
          answered.delete(key)
          return null
        }
        const next = { ...challenge, uses: 0 }
        answered.set(key, next)
        return use(next)
      },
      refused: () => void answered.delete(key),
    }
  }
}

/** The strongest of those that can be answered, in whatever order they came: the order is the attacker's too. */
export function chooseChallenge(challenges: Challenge[]): DigestChallenge | null {
  const usable = challenges.flatMap((challenge) => readDigest(challenge) ?? [])
  return usable.find(({ algorithm }) => algorithm === 'SHA-256') ?? usable[0] ?? null
}

function readDigest({ scheme, parameters }: Challenge): DigestChallenge | null {
  const algorithm = (parameters.get('algorithm') ?? 'MD5').toUpperCase()
  const realm = parameters.get('realm')
  const nonce = parameters.get('nonce')
  const opaque = parameters.get('opaque') ?? null
  const qops = (parameters.get('qop') ?? '').toLowerCase().split(/[\s,]+/)
  if (scheme !== 'digest' || (algorithm !== 'MD5' && algorithm !== 'SHA-256') || !qops.includes('auth')) return null
  if (realm === undefined || nonce === undefined || !/^[ -~]*$/.test(realm + nonce + (opaque ?? ''))) return null
  return { algorithm, realm, nonce, opaque, stale: parameters.get('stale')?.toLowerCase() === 'true' }
}

type DigestInput = {
  method: string
  uri: string
  username: string
  password: string
  challenge: DigestChallenge
  cnonce: string
  /** The nonce count: 1 for the first request with this nonce. */
  uses: number
}

/** The value of `authorization` (RFC 7616 section 3.4). */
export function digestAuthorization({ method, uri, username, password, challenge, cnonce, uses }: DigestInput): string {
  const { algorithm, realm, nonce, opaque } = challenge
  const hash = (text: string) =>
    createHash(algorithm === 'MD5' ? 'md5' : 'sha256')
      .update(text)
      .digest('hex')
  const nc = uses.toString(16).padStart(8, '0')
  const secret = hash(`${username}:${realm}:${password}`)
  const response = hash(`${secret}:${nonce}:${nc}:${cnonce}:auth:${hash(`${method}:${uri}`)}`)
  const parts = [
    /^[ -~]*$/.test(username) ? `username=${quote(username)}` : `username*=UTF-8''${encodeExtended(username)}`,
    `realm=${quote(realm)}`,
    `uri=${quote(uri)}`,
    `algorithm=${algorithm}`,
    `nonce=${quote(nonce)}`,
    `nc=${nc}`,
    `cnonce=${quote(cnonce)}`,
    'qop=auth',
    `response=${quote(response)}`,
    ...(opaque === null ? [] : [`opaque=${quote(opaque)}`]),
  ]
  return `Digest ${parts.join(', ')}`
}

const quote = (text: string) => `"${text.replaceAll(/["\\]/g, '\\$&')}"`

/** RFC 8187; `encodeURIComponent` leaves four characters that it does not allow. */
const encodeExtended = (text: string) =>
  encodeURIComponent(text).replaceAll(/['()*]/g, (found) => `%${found.charCodeAt(0).toString(16).toUpperCase()}`)
