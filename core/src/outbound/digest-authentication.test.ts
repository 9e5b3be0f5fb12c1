import { describe, expect, test } from 'vitest'
import { chooseChallenge, createDigestAuthentication, digestAuthorization } from './digest-authentication.ts'
import { parseChallenges } from './digest-challenge.ts'

const choose = (header: string | string[]) => chooseChallenge(parseChallenges(header))

/** RFC 7616 section 3.9.1. */
const rfc = {
  realm: 'http-auth@example.org',
  nonce: '7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v',
  opaque: 'FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS',
}
const rfcChallenge = (algorithm: string) =>
  `Digest realm="${rfc.realm}", qop="auth, auth-int", algorithm=${algorithm}, nonce="${rfc.nonce}", opaque="${rfc.opaque}"`

test.each([
  ['MD5', '8ca523f5e9506fed4657c9700eebdbec'],
  ['SHA-256', '753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1'],
])('the example of RFC 7616 for %s comes out', (algorithm, response) => {
  const challenge = choose(rfcChallenge(algorithm))
  expect(challenge).toEqual({ algorithm, ...rfc, stale: false })
  const authorization = digestAuthorization({
    method: 'GET',
    uri: '/dir/index.html',
    username: 'Mufasa',
    password: 'Circle of Life',
    challenge: challenge!,
    cnonce: 'f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ',
    uses: 1,
  })
  expect(authorization).toBe(
    `Digest username="Mufasa", realm="${rfc.realm}", uri="/dir/index.html", algorithm=${algorithm}, nonce="${rfc.nonce}", ` +
      `nc=00000001, cnonce="f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ", qop=auth, response="${response}", ` +
      `opaque="${rfc.opaque}"`,
  )
})

describe('of several challenges', () => {
  test.each<[string, string | string[]]>([
    ['in two headers', [rfcChallenge('MD5'), rfcChallenge('SHA-256')]],
    ['in one header', `${rfcChallenge('MD5')}, ${rfcChallenge('SHA-256')}`],
    ['beside other schemes', `Basic realm="a, Digest b", ${rfcChallenge('SHA-256')}, Bearer`],
    ['after one with a token', ['Negotiate YII+/abc==', rfcChallenge('SHA-256')]],
  ])('%s the strongest is answered', (_name, header) => {
    expect(choose(header)).toMatchObject({ algorithm: 'SHA-256', nonce: rfc.nonce })
  })
})

describe('not answered is', () => {
  test.each([
    ['Basic', 'Basic realm="x"'],
    ['a challenge without qop', 'Digest realm="x", nonce="y"'],
    ['a challenge for the body only', 'Digest realm="x", nonce="y", qop="auth-int"'],
    ['an algorithm that is not known', 'Digest realm="x", nonce="y", qop="auth", algorithm=MD5-sess'],
    ['a challenge without a nonce', 'Digest realm="x", qop="auth"'],
    ['a challenge that says something twice', 'Digest realm="x", nonce="y", qop="auth", realm="z"'],
    ['a quote that never ends', 'Digest realm="x, nonce="y", qop="auth'],
    ['a realm that is not ASCII', 'Digest realm="\u00e9", nonce="y", qop="auth"'],
    ['nothing', ''],
    ['many blanks', `Digest ${' '.repeat(16_000)}"`],
    ['many names', 'a '.repeat(8_000)],
  ])('%s', (_name, header) => {
    expect(choose(header)).toBeNull()
  })
})

test('what stands quoted in a challenge stays quoted in the answer', () => {
  const challenge = choose(String.raw`Digest realm="a\", response=\"b", nonce="n\\", qop=auth`)
  expect(challenge).toMatchObject({ realm: 'a", response="b', nonce: 'n\\' })
  const input = { method: 'POST', uri: '/?q="', username: 'x", realm="y', password: 'p', cnonce: 'c', uses: 255 }
  const authorization = digestAuthorization({ ...input, challenge: challenge! })
  const [read] = parseChallenges(authorization)
  expect(Object.fromEntries(read!.parameters)).toMatchObject({
    username: 'x", realm="y',
    realm: 'a", response="b',
    nonce: 'n\\',
    uri: '/?q="',
    nc: '000000ff',
    response: expect.stringMatching(/^[0-9a-f]{32}$/),
  })
})

test('a user name that is not ASCII is sent as RFC 8187 says', () => {
  const challenge = choose(rfcChallenge('SHA-256'))!
  const input = { method: 'GET', uri: '/', password: 'p', cnonce: 'c', uses: 1, challenge }
  const authorization = digestAuthorization({ ...input, username: "J\u00e4s\u00f8n (Doe)'" })
  expect(authorization).toContain("username*=UTF-8''J%C3%A4s%C3%B8n%20%28Doe%29%27,")
})

describe('an exchange', () => {
  const credentials = { type: 'digest' as const, username: 'u', password: 'p' }
  const target = { origin: 'https://a.example', method: 'POST', uri: '/hook' }
  const challenge = (nonce: string, more = '') => `Digest realm="r", nonce="${nonce}", qop="auth"${more}`
  const nonceOf = (authorization: string | null) => /nonce="(\w+)", nc=(\w+)/.exec(authorization ?? '')?.slice(1)

  test('counts the requests made with one nonce, of one receiver and user', () => {
    const start = createDigestAuthentication()
    const first = start(credentials, target)
    expect(first.first).toBeNull()
    expect(nonceOf(first.answer(challenge('one')))).toEqual(['one', '00000001'])
    expect(nonceOf(start(credentials, target).first)).toEqual(['one', '00000002'])
    expect(nonceOf(start(credentials, { ...target, uri: '/other' }).first)).toEqual(['one', '00000003'])
    expect(start(credentials, { ...target, origin: 'https://b.example' }).first).toBeNull()
    expect(start({ ...credentials, username: 'v' }, target).first).toBeNull()
  })

  test('answers a new nonce and a stale one, and a refusal with the same nonce never', () => {
    const start = createDigestAuthentication()
    start(credentials, target).answer(challenge('one'))
    expect(nonceOf(start(credentials, target).answer(challenge('two')))).toEqual(['two', '00000001'])
    expect(nonceOf(start(credentials, target).answer(challenge('two', ', stale=TRUE')))).toEqual(['two', '00000001'])
    expect(start(credentials, target).answer(challenge('two'))).toBeNull()
    expect(start(credentials, target).first).toBeNull()
  })

  test('remembers no more receivers than it may', () => {
    const start = createDigestAuthentication(2)
    const at = (n: number) => start(credentials, { ...target, origin: `https://${n}.example` })
    for (const n of [1, 2, 3]) at(n).answer(challenge('one'))
    expect([at(1).first, at(3).first]).toEqual([null, expect.any(String)])
  })

  test('does not begin with credentials that would break the header', () => {
    const start = createDigestAuthentication()
    expect(() => start({ ...credentials, username: 'a\r\nx: y' }, target)).toThrow('control characters')
  })
})
