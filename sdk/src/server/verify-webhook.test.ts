import { createHmac, generateKeyPairSync, sign as signBy } from 'node:crypto'
import { Webhook as StandardWebhook } from 'standardwebhooks'
import { describe, expect, test } from 'vitest'
import { verifyWebhook, WebhookVerificationError, type WebhookVerificationCode } from './index.ts'

const secret = `whsec_${Buffer.alloc(32, 1).toString('base64')}`
const otherSecret = `whsec_${Buffer.alloc(32, 2).toString('base64')}`
const now = new Date('2025-11-21T17:00:00Z')
const body = '{"eventType":"application-instance-enabled","name":"Ζωή 🏛"}'

/** Headers as an implementation that is not ours writes them. */
function sign(text = body, { at = now, secrets = [secret], id = 'msg_1' } = {}): Record<string, string> {
  return {
    'webhook-id': id,
    'webhook-timestamp': String(at.getTime() / 1_000),
    'webhook-signature': secrets.map((each) => new StandardWebhook(each).sign(id, at, text)).join(' '),
  }
}

function codeOf(run: () => unknown): WebhookVerificationCode | 'accepted' {
  try {
    run()
    return 'accepted'
  } catch (error) {
    if (error instanceof WebhookVerificationError) return error.code
    throw error
  }
}

const secondsAway = (seconds: number) => new Date(now.getTime() + seconds * 1_000)

describe('a webhook that the host signed', () => {
  test('is accepted as text and as bytes', () => {
    const expected = { id: 'msg_1', timestamp: now, payload: JSON.parse(body) }
    expect(verifyWebhook({ headers: sign(), body, secrets: secret, now })).toEqual(expected)
    expect(verifyWebhook({ headers: sign(), body: Buffer.from(body), secrets: secret, now })).toEqual(expected)
    expect(verifyWebhook({ headers: sign(), body: new TextEncoder().encode(body), secrets: secret, now })).toEqual(
      expected,
    )
  })

  test('is accepted whatever kind of headers it comes with', () => {
    const upper = Object.fromEntries(Object.entries(sign()).map(([name, value]) => [name.toUpperCase(), [value]]))
    for (const headers of [new Headers(sign()), upper]) {
      expect(verifyWebhook({ headers, body, secrets: secret, now }).id).toBe('msg_1')
    }
  })

  test('is accepted while the secret is being changed, on either side', () => {
    const rotating = sign(body, { secrets: [otherSecret, secret] })
    expect(verifyWebhook({ headers: rotating, body, secrets: secret, now }).id).toBe('msg_1')
    expect(verifyWebhook({ headers: sign(), body, secrets: [otherSecret, secret], now }).id).toBe('msg_1')
  })

  test('is accepted with a secret that lost its prefix', () => {
    expect(verifyWebhook({ headers: sign(), body, secrets: secret.slice(6), now }).id).toBe('msg_1')
  })

  test('is accepted beside signatures of unknown versions, broken ones and empty ones', () => {
    const headers = sign()
    headers['webhook-signature'] =
      `v1a,AAAA v2,${headers['webhook-signature']?.slice(3)}  v1, v1,%% ${headers['webhook-signature']}`
    expect(verifyWebhook({ headers, body, secrets: secret, now }).id).toBe('msg_1')
  })

  test('may have an empty body', () => {
    expect(verifyWebhook({ headers: sign(''), body: '', secrets: secret, now }).payload).toBeUndefined()
  })
})

describe('a webhook is refused', () => {
  test.each(['webhook-id', 'webhook-timestamp', 'webhook-signature'])('without %s', (name) => {
    for (const headers of [
      { ...sign(), [name]: undefined },
      { ...sign(), [name]: ' ' },
    ]) {
      expect(codeOf(() => verifyWebhook({ headers, body, secrets: secret, now }))).toBe('missing_header')
    }
  })

  test.each<[string, () => Record<string, string>]>([
    ['with the signature of another secret', () => sign(body, { secrets: [otherSecret] })],
    ['with the signature of another body', () => sign(`${body} `)],
    ['with another id', () => ({ ...sign(), 'webhook-id': 'msg_2' })],
    ['with another timestamp', () => ({ ...sign(), 'webhook-timestamp': String(now.getTime() / 1_000 + 1) })],
    ['with a timestamp that is no number', () => ({ ...sign(), 'webhook-timestamp': 'now' })],
    [
      'with the right signature under another version',
      () => ({ ...sign(), 'webhook-signature': sign()['webhook-signature']!.replace('v1,', 'v2,') }),
    ],
    ['with half a signature', () => ({ ...sign(), 'webhook-signature': sign()['webhook-signature']!.slice(0, 20) })],
  ])('%s', (_name, headers) => {
    expect(codeOf(() => verifyWebhook({ headers: headers(), body, secrets: secret, now }))).toBe('invalid_signature')
  })

  test.each<[number, WebhookVerificationCode | 'accepted']>([
    [-301, 'timestamp_too_old'],
    [-300, 'accepted'],
    [300, 'accepted'],
    [301, 'timestamp_too_new'],
  ])('%i s away from now: %s', (seconds, code) => {
    const headers = sign(body, { at: secondsAway(seconds) })
    expect(codeOf(() => verifyWebhook({ headers, body, secrets: secret, now }))).toBe(code)
  })

  test('by the tolerance that was asked for', () => {
    const headers = sign(body, { at: secondsAway(-11) })
    expect(codeOf(() => verifyWebhook({ headers, body, secrets: secret, now, toleranceSeconds: 10 }))).toBe(
      'timestamp_too_old',
    )
  })

  test.each<[string, Uint8Array]>([
    ['is not JSON', Buffer.from('eventType=enabled')],
    ['is not UTF-8', Buffer.from([0x22, 0xff, 0x22])],
  ])('when its body %s, though signed', (_name, text) => {
    const headers = { ...sign(), 'webhook-signature': signBytes(text) }
    expect(codeOf(() => verifyWebhook({ headers, body: text, secrets: secret, now }))).toBe('invalid_payload')
  })
})

test.each([undefined, '', [], ['whsec_'], 'not base64!'])(
  'the secret %j is a mistake in the configuration',
  (secrets) => {
    expect(() => verifyWebhook({ headers: sign(), body, secrets: secrets as string, now })).toThrow(TypeError)
  },
)

test('messages tell the author what to check and never show the secret', () => {
  const run = () => verifyWebhook({ headers: sign(), body: `${body} `, secrets: secret, now })
  expect(run).toThrow(/raw body/)
  expect(run).not.toThrow(secret.slice(6))
})

/** For bytes that are no text, which the other implementation does not take. */
function signBytes(bytes: Uint8Array): string {
  const start = `msg_1.${now.getTime() / 1_000}.`
  const key = Buffer.from(secret.slice(6), 'base64')
  return `v1,${createHmac('sha256', key).update(start).update(bytes).digest('base64')}`
}

describe('a webhook that the host signed with a private key (v1a)', () => {
  const keyPair = () => {
    const { privateKey, publicKey } = generateKeyPairSync('ed25519')
    const raw = Buffer.from(publicKey.export({ format: 'jwk' }).x!, 'base64url')
    return { privateKey, publicKey: `whpk_${raw.toString('base64')}` }
  }
  const [one, other] = [keyPair(), keyPair()]
  const signed = (pairs = [one], text = body) => {
    const content = Buffer.from(`msg_1.${now.getTime() / 1_000}.${text}`)
    const signatures = pairs.map((pair) => `v1a,${signBy(null, content, pair.privateKey).toString('base64')}`)
    return { ...sign(), 'webhook-signature': signatures.join(' ') }
  }
  const accepts = (headers: Record<string, string>, secrets: string | string[], text = body) =>
    codeOf(() => verifyWebhook({ headers, body: text, secrets, now })) === 'accepted'

  test('is accepted with its public key, as text and as bytes, and with no other', () => {
    expect(accepts(signed(), one.publicKey)).toBe(true)
    expect(verifyWebhook({ headers: signed(), body: Buffer.from(body), secrets: one.publicKey, now }).id).toBe('msg_1')
    expect(accepts(signed(), other.publicKey)).toBe(false)
    expect(accepts(signed(), one.publicKey, `${body} `)).toBe(false)
  })

  test('is accepted while the key is being changed, and beside secrets, on either side', () => {
    expect(accepts(signed([other, one]), one.publicKey)).toBe(true)
    expect(accepts(signed(), [other.publicKey, secret, one.publicKey])).toBe(true)
    const both = { ...signed(), 'webhook-signature': `${signed()['webhook-signature']} ${sign()['webhook-signature']}` }
    expect(accepts(both, secret)).toBe(true)
    expect(accepts(both, one.publicKey)).toBe(true)
  })

  test('is not believed for a signature of the other version, or one that is broken', () => {
    const of = (signature: string) => ({ ...sign(), 'webhook-signature': signature })
    const right = signed()['webhook-signature']!
    expect(accepts(of(right.replace('v1a,', 'v1,')), [one.publicKey, secret])).toBe(false)
    expect(accepts(of(sign()['webhook-signature']!.replace('v1,', 'v1a,')), [one.publicKey, secret])).toBe(false)
    for (const broken of ['v1a,', 'v1a,%%', right.slice(0, 20), `${right},x`])
      expect(accepts(of(broken), one.publicKey)).toBe(false)
  })

  test.each(['whpk_', 'whpk_AAAA', `whpk_${Buffer.alloc(33).toString('base64')}`, 'whsk_AAAA'])(
    'is no reason to take %j for a key',
    (key) => expect(() => verifyWebhook({ headers: signed(), body, secrets: key, now })).toThrow(TypeError),
  )
})
