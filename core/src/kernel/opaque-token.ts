import { createHash, createHmac, randomBytes } from 'node:crypto'
import { crc32 } from 'node:zlib'

const alphabet = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'
const randomLength = 30
const checksumLength = 6

/**
 * Kinds of opaque credential. The kind is in the text, so that a secret scanner, and a person, can tell what leaked.
 * `ak` API key, `it` installation token, `at` OAuth access token, `rt` refresh token, `ac` authorization code, `pr` pushed
 * authorization request, `cs` client secret.
 */
export const tokenKinds = ['ak', 'it', 'at', 'rt', 'ac', 'pr', 'cs'] as const
export type TokenKind = (typeof tokenKinds)[number]

/**
 * A new secret `stoa_<kind>_<30 base62><6 base62 CRC-32>`: 178 bits of randomness, and a checksum that lets malformed ones be
 * refused before any lookup. Only `[A-Za-z0-9_]`, so nothing ever needs escaping. Layout after GitHub's and npm's tokens.
 */
export function mintToken(kind: TokenKind): string {
  return tokenOf(kind, () => randomBytes(randomLength))
}

/**
 * The one token of a kind that follows from another text under a key: whoever holds both makes the same one again, nobody
 * else can. So a successor can be given out twice without keeping it in the clear.
 */
export function deriveToken(kind: TokenKind, key: Buffer, from: string): string {
  let block = 0
  return tokenOf(kind, () => createHmac('sha256', key).update(`${kind}|${block++}|${from}`).digest())
}

function tokenOf(kind: TokenKind, nextBytes: () => Buffer): string {
  const head = `stoa_${kind}_${base62(nextBytes, randomLength)}`
  return head + checksum(head)
}

const shape = new RegExp(`^stoa_(${tokenKinds.join('|')})_[0-9A-Za-z]{36}$`)

/** The kind of a well-formed token, or null when the text is not one or its checksum is wrong. */
export function tokenKind(token: string): TokenKind | null {
  const match = shape.exec(token)
  if (!match || checksum(token.slice(0, -checksumLength)) !== token.slice(-checksumLength)) return null
  return match[1] as TokenKind
}

/** SHA-256 in hexadecimal: what is stored. No slow hash, because 178 random bits cannot be guessed. */
export function hashToken(token: string): string {
  return createHash('sha256').update(token).digest('hex')
}

// Bytes of 248 and above are rejected: 248 is the largest multiple of 62, so every character is equally likely.
function base62(nextBytes: () => Buffer, length: number): string {
  let text = ''
  while (text.length < length) {
    for (const byte of nextBytes()) {
      if (byte < 248 && text.length < length) text += alphabet[byte % 62]
    }
  }
  return text
}

function checksum(head: string): string {
  let rest = crc32(head)
  let text = ''
  for (let i = 0; i < checksumLength; i++) {
    text = alphabet[rest % 62] + text
    rest = Math.floor(rest / 62)
  }
  return text
}
