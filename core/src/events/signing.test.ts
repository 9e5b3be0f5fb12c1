import { createPublicKey, verify } from 'node:crypto'
import { Webhook as StandardWebhook } from 'standardwebhooks'
import { Webhook as SvixWebhook } from 'svix'
import { describe, expect, test } from 'vitest'
import { checkWebhookSecret, newWebhookKeyPair, newWebhookSecret, readWebhookKey, signWebhook } from './signing.ts'

const verifiers: [string, (secret: string, body: string, headers: Record<string, string>) => unknown][] = [
  ['standardwebhooks', (secret, body, headers) => new StandardWebhook(secret).verify(body, headers)],
  ['svix', (secret, body, headers) => new SvixWebhook(secret).verify(body, headers)],
]

const texts = [
  '',
  'plain',
  'Ζωή 🏛 \u2028 \uFEFF',
  'lone \uD800 surrogate',
  '\0 control \u001f',
  'a'.repeat(100_000),
  '<script>&"\\',
]

const keysOf = (...secrets: string[]) => secrets.map((secret) => readWebhookKey('v1', secret))
const base64Of = (bytes: number) => Buffer.alloc(bytes, 7).toString('base64')

describe.each(verifiers)('%s', (_name, verify) => {
  const secret = newWebhookSecret()
  const sign = (body: string, secrets = [secret]) =>
    signWebhook({ id: 'msg_1', timestamp: new Date(), body, keys: keysOf(...secrets) })

  test.each(texts)('accepts the body %j', (text) => {
    const body = JSON.stringify({ text, big: 1e300, zero: -0 })
    expect(verify(secret, body, sign(body))).toEqual(JSON.parse(body))
  })

  test('accepts what is not JSON.stringify output byte for byte', () => {
    const body = ' { "b" : 1e400, "a":\t12345678901234567890 ,"raw":"é\u2029😀"}\n'
    expect(() => verify(secret, body, sign(body))).not.toThrow()
    expect(() => verify(secret, body.trim(), sign(body))).toThrow()
  })

  test('refuses another secret, another body, another id and another time', () => {
    const headers = sign('{"a":1}')
    expect(() => verify(newWebhookSecret(), '{"a":1}', headers)).toThrow()
    expect(() => verify(secret, '{"a":2}', headers)).toThrow()
    expect(() => verify(secret, '{"a":1}', { ...headers, 'webhook-id': 'msg_2' })).toThrow()
    const later = String(Number(headers['webhook-timestamp']) + 1)
    expect(() => verify(secret, '{"a":1}', { ...headers, 'webhook-timestamp': later })).toThrow()
  })

  test('accepts the old and the new secret while both sign, and only the new one afterwards', () => {
    const next = newWebhookSecret()
    const overlap = sign('{}', [next, secret])
    expect(overlap['webhook-signature'].split(' ')).toHaveLength(2)
    expect(verify(secret, '{}', overlap)).toEqual({})
    expect(verify(next, '{}', overlap)).toEqual({})
    expect(() => verify(secret, '{}', sign('{}', [next]))).toThrow()
  })

  test.each([24, 64])('accepts a secret of %i bytes, with and without its prefix', (bytes) => {
    const bare = base64Of(bytes)
    expect(verify(bare, '{}', sign('{}', [`whsec_${bare}`]))).toEqual({})
    expect(verify(`whsec_${bare}`, '{}', sign('{}', [bare]))).toEqual({})
  })
})

test('a new secret is 32 bytes and never the same', () => {
  const secrets = Array.from({ length: 100 }, newWebhookSecret)
  expect(new Set(secrets).size).toBe(100)
  for (const secret of secrets) {
    expect(secret).toMatch(/^whsec_[A-Za-z0-9+/]{43}=$/)
    expect(checkWebhookSecret(secret)).toBeNull()
  }
})

test('the timestamp is that of the try, in whole seconds', () => {
  const timestamp = new Date('2025-11-21T17:00:00.999Z')
  const headers = signWebhook({ id: 'msg_1', timestamp, body: '', keys: keysOf(newWebhookSecret()) })
  expect(headers['webhook-timestamp']).toBe('1763744400')
})

test('the published example of the standard comes out', () => {
  const headers = signWebhook({
    id: 'msg_p5jXN8AQM9LWM0D4loKWxJek',
    timestamp: new Date(1_614_265_330_000),
    body: '{"test": 2432232314}',
    keys: keysOf('whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'),
  })
  expect(headers['webhook-signature']).toBe('v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=')
})

test.each(['', 'whsec_', 'whsec_not base64!', `whsec_${base64Of(23)}`, `whsec_${base64Of(65)}`])(
  'the secret %j is refused with what one looks like',
  (secret) => expect(checkWebhookSecret(secret)).toContain('24 to 64 random bytes'),
)

test('mistakes of the caller are thrown', () => {
  const webhook = { id: 'msg_1', timestamp: new Date(), body: '', keys: keysOf(newWebhookSecret()) }
  expect(() => signWebhook({ ...webhook, id: 'msg.1' })).toThrow('dot')
  expect(() => signWebhook({ ...webhook, keys: [] })).toThrow('at least one key')
  expect(() => readWebhookKey('v1', 'whsec_%')).toThrow('24 to 64 random bytes')
})

describe('v1a', () => {
  const { privateKey, publicKey } = newWebhookKeyPair()
  /** Not ours: node's own Ed25519, with the key as JWK. */
  const verifies = (whpk: string, content: string, signature: string) => {
    const x = Buffer.from(whpk.replace('whpk_', ''), 'base64').toString('base64url')
    const key = createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x }, format: 'jwk' })
    return verify(null, Buffer.from(content), key, Buffer.from(signature, 'base64'))
  }

  test('is Ed25519 over the same content as v1, after its own prefix', () => {
    const webhook = { id: 'msg_1', timestamp: new Date(), body: texts[2]! }
    const keys = [readWebhookKey('v1a', privateKey), ...keysOf(newWebhookSecret())]
    const headers = signWebhook({ ...webhook, keys })
    const [first, second] = headers['webhook-signature'].split(' ')
    expect(second).toMatch(/^v1,/)
    expect(first).toMatch(/^v1a,/)
    const content = `msg_1.${headers['webhook-timestamp']}.${webhook.body}`
    expect(verifies(publicKey, content, first!.slice(4))).toBe(true)
    expect(verifies(publicKey, `${content} `, first!.slice(4))).toBe(false)
    expect(verifies(newWebhookKeyPair().publicKey, content, first!.slice(4))).toBe(false)
  })

  test('has keys of the lengths that Svix’s layout has', () => {
    expect(Buffer.from(privateKey.replace('whsk_', ''), 'base64')).toHaveLength(64)
    expect(Buffer.from(publicKey.replace('whpk_', ''), 'base64')).toHaveLength(32)
  })

  test('refuses a private key that is none, or whose halves do not belong together', () => {
    const swapped = Buffer.from(privateKey.replace('whsk_', ''), 'base64')
    Buffer.from(newWebhookKeyPair().publicKey.replace('whpk_', ''), 'base64').copy(swapped, 32)
    for (const wrong of [
      '',
      'no base64!',
      newWebhookSecret(),
      privateKey.slice(0, 40),
      `whsk_${swapped.toString('base64')}`,
    ]) {
      expect(() => readWebhookKey('v1a', wrong)).toThrow(TypeError)
    }
  })
})
