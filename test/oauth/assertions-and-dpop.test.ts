import { createPublicKey } from 'node:crypto'
import { beforeAll, describe, expect, it } from 'vitest'
import { eachDatabase, onPostgres } from '../support/databases.ts'
import { call } from '../support/host.ts'
import type { Browser } from './browser.ts'
import { movableClock } from './clock.ts'
import { assertionForm, dpopProof, jwt, newKey, type Changes, type Key } from './keys.ts'
import { anotherHost, sharedDatabase } from './two-hosts.ts'
import { callback, clientForm, openOAuthWorld, pkce, type App, type OAuthWorld } from './world.ts'

const type = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'
const pem = ({ jwk }: Key) =>
  createPublicKey({ key: jwk, format: 'jwk' }).export({ type: 'spki', format: 'pem' }) as string

eachDatabase((database) => {
  const time = movableClock()
  let world: OAuthWorld
  let browser: Browser
  beforeAll(async () => {
    world = await openOAuthWorld(database, { clock: time.clock })
    browser = await world.signedIn()
  })

  describe('a client assertion', () => {
    const key = newKey('ES256', 'mine')
    const rsa = newKey('RS256', 'rsa')
    let app: App
    let other: App
    const otherKey = newKey('ES256', 'theirs')
    beforeAll(async () => {
      app = await world.app({ jwks: { keys: [key.jwk, rsa.jwk] } })
      other = await world.app({ jwks: { keys: [otherKey.jwk] } })
    })

    const assertion = (changes: Changes = {}, by = key) =>
      assertionForm(by, { clientId: app.clientId, audience: world.url, seconds: time.seconds() }, changes)
    const send = (form: Record<string, string>) => world.token({ grant_type: 'client_credentials', ...form })
    const prove = (changes?: Changes, by?: Key) => send(assertion(changes, by))
    const refused = async (answer: ReturnType<typeof send>) => {
      const { status, body } = await answer
      return [status, body.error]
    }
    const invalid = [401, 'invalid_client']

    it('of each registered key is taken, whatever its typ, and in every form of the audience', async () => {
      for (const by of [key, rsa]) expect((await prove({}, by)).status).toBe(200)
      for (const typ of ['JWT', 'client-authentication+jwt', 'at+jwt']) {
        expect((await prove({ header: { typ } })).status).toBe(200)
      }
      expect((await prove({ header: { kid: undefined } })).status).toBe(200)
      for (const aud of [`${world.url}/oauth/token`, [world.url]]) {
        expect((await prove({ claims: { aud } })).status).toBe(200)
      }
    })

    const wrong: [string, () => ReturnType<typeof send>][] = [
      ['no signature', () => prove({ signer: null })],
      ['an empty signature under ES256', () => prove({ header: { alg: 'ES256' }, signer: null })],
      ['HS256 with the public key', () => prove({ signer: pem(key) })],
      ['HS256 with the public key as a JWK', () => prove({ signer: JSON.stringify(key.jwk) })],
      ['HS256 with the client secret', () => prove({ signer: app.clientSecret })],
      ['the algorithm of another kind of key', () => prove({ header: { alg: 'RS256' } })],
      ['a key that nobody registered', () => prove({}, newKey('ES256', 'mine'))],
      ['the key of another client', () => prove({}, otherKey)],
      ['the key of another client, by its kid', () => prove({ header: { kid: 'theirs' }, signer: otherKey })],
      ['a kid that names no key', () => prove({ header: { kid: 'unknown' } })],
      ['a kid that is a path', () => prove({ header: { kid: '../../../dev/null' }, signer: '' })],
      ['a kid that is SQL', () => prove({ header: { kid: "x' union select 'key" }, signer: 'key' })],
      ['a kid that is no text', () => prove({ header: { kid: { $ne: 'mine' } } })],
      ['a critical extension', () => prove({ header: { crit: ['b64'], b64: false } })],
      ['another iss', () => prove({ claims: { iss: other.clientId } })],
      ['no iss', () => prove({ claims: { iss: undefined } })],
      ['another sub', () => prove({ claims: { sub: other.clientId } })],
      ['a sub that is no text', () => prove({ claims: { sub: [app.clientId] } })],
      ['a sub with a null byte', () => prove({ claims: { sub: 'a\0b', iss: 'a\0b' } })],
      ['another aud', () => prove({ claims: { aud: 'https://other.example' } })],
      ['no aud', () => prove({ claims: { aud: undefined } })],
      ['two auds', () => prove({ claims: { aud: [world.url, 'https://other.example'] } })],
      ['no exp', () => prove({ claims: { exp: undefined } })],
      ['an exp that is no number', () => prove({ claims: { exp: 'tomorrow' } })],
      ['an exp far ahead', () => prove({ claims: { exp: time.seconds() + 3600 } })],
      ['an exp six seconds ago', () => prove({ claims: { exp: time.seconds() - 6 } })],
      ['an nbf in ten seconds', () => prove({ claims: { nbf: time.seconds() + 10 } })],
      ['no jti', () => prove({ claims: { jti: undefined } })],
      ['a jti that is no text', () => prove({ claims: { jti: 7 } })],
      ['no claims', () => send({ client_id: app.clientId, ...assertion(), client_assertion: jwt({}, 'null', key) })],
      [
        'claims that are no JSON',
        () => send({ ...assertion(), client_id: app.clientId, client_assertion: jwt({ typ: 'JWT' }, 'not JSON', key) }),
      ],
      ['another type', () => send({ ...assertion(), client_assertion_type: 'urn:x' })],
      ['no type', () => send({ client_assertion: assertion().client_assertion })],
      ['what is no JWT', () => send({ client_id: app.clientId, client_assertion: 'a.b', client_assertion_type: type })],
    ]
    it.each(wrong)('with %s is refused', async (_, answer) => {
      expect(await refused(answer())).toEqual(invalid)
    })

    it('brings no key along: jwk, jku, x5u and x5c are not looked at', async () => {
      const mine = newKey('ES256', 'mine')
      const brought = { jwk: mine.jwk, jku: 'http://127.0.0.1:1/keys', x5u: 'http://127.0.0.1:1/cert', x5c: ['AAAA'] }
      expect(await refused(prove({ header: brought, signer: mine }))).toEqual(invalid)
      expect((await prove({ header: brought })).status).toBe(200)
    })

    it('may be five seconds late, for clocks differ', async () => {
      expect((await prove({ claims: { exp: time.seconds() - 3 } })).status).toBe(200)
      expect((await prove({ claims: { nbf: time.seconds() + 3 } })).status).toBe(200)
    })

    it('works once, even of eight at once, and its jti again for another client', async () => {
      const once = assertion()
      const answers = await Promise.all(Array.from({ length: 8 }, () => send(once)))
      expect(answers.filter(({ status }) => status === 200)).toHaveLength(1)
      const claims = { jti: 'the same' }
      expect((await prove({ claims })).status).toBe(200)
      expect(await refused(prove({ claims }))).toEqual(invalid)
      const theirs = { clientId: other.clientId, audience: world.url, seconds: time.seconds() }
      expect((await send(assertionForm(otherKey, theirs, { claims }))).status).toBe(200)
    })

    it('was changed on its way is refused', async () => {
      const { client_assertion, ...rest } = assertion()
      const [header, claims, signature] = client_assertion.split('.') as [string, string, string]
      const forged = Buffer.from(claims, 'base64url').toString().replace('"exp":', '"exp":1,"x":')
      const changed = Buffer.from(forged).toString('base64url')
      expect(await refused(send({ ...rest, client_assertion: `${header}.${changed}.${signature}` }))).toEqual(invalid)
    })

    it('of a public client is refused', async () => {
      const { client_assertion, client_assertion_type } = assertion()
      const open = await world.app({ clientType: 'public' })
      const answer = send({ client_id: open.clientId, client_assertion, client_assertion_type })
      expect((await refused(answer))[1]).toBe('invalid_request')
      const own = assertionForm(key, { clientId: open.clientId, audience: world.url, seconds: time.seconds() })
      expect(await refused(send(own))).toEqual(invalid)
    })
  })

  describe('a DPoP proof', () => {
    const key = newKey()
    let app: App
    const tokenUrl = () => `${world.url}/oauth/token`
    const api = '/marketplace/billing/charges/has-funds'
    beforeAll(async () => {
      app = await world.app()
    })
    const proof = (changes: Changes = {}, by = key) =>
      dpopProof(by, { method: 'POST', url: tokenUrl(), seconds: time.seconds() }, changes)
    const own = (dpop: string) => world.token({ grant_type: 'client_credentials', ...clientForm(app) }, { DPoP: dpop })
    const use = (token: string, dpop: string | null, scheme = 'DPoP') =>
      world.call('GET', api, { headers: { Authorization: `${scheme} ${token}`, ...(dpop !== null && { DPoP: dpop }) } })
    const proofFor = (token: string, changes: Changes = {}, by = key) =>
      dpopProof(by, { method: 'GET', url: world.url + api, token, seconds: time.seconds() }, changes)
    async function bound(): Promise<{ access_token: string; refresh_token: string }> {
      const { verifier, challenge } = pkce()
      const parameters = { code_challenge: challenge, code_challenge_method: 'S256' }
      const back = await world.authorize(app, { browser, parameters })
      const form = { grant_type: 'authorization_code', code: back.get('code')!, code_verifier: verifier }
      const { body } = await world.token({ ...form, redirect_uri: callback, ...clientForm(app) }, { DPoP: proof() })
      expect(body.token_type).toBe('DPoP')
      return body as { access_token: string; refresh_token: string }
    }

    const wrong: [string, () => string][] = [
      ['no signature', () => proof({ signer: null })],
      ['HS256 with the public key', () => proof({ signer: pem(key) })],
      [
        'HS256 with a shared key in it',
        () => proof({ header: { jwk: { kty: 'oct', k: Buffer.from('x').toString('base64url') } }, signer: 'x' }),
      ],
      ['another key’s signature', () => proof({ signer: newKey() })],
      ['a private key in it', () => proof({ header: { jwk: key.privateKey.export({ format: 'jwk' }) } })],
      ['no key in it', () => proof({ header: { jwk: undefined } })],
      ['an address instead of a key', () => proof({ header: { jwk: 'https://evil.example/key' } })],
      ['a key elsewhere', () => proof({ header: { jwk: undefined, jku: 'http://127.0.0.1:1/' } })],
      ['another typ', () => proof({ header: { typ: 'JWT' } })],
      ['a critical extension', () => proof({ header: { crit: ['x'] } })],
      ['another method', () => proof({ claims: { htm: 'GET' } })],
      ['the method in small letters', () => proof({ claims: { htm: 'post' } })],
      ['another address', () => proof({ claims: { htu: `${world.url}/oauth/revoke` } })],
      ['another host', () => proof({ claims: { htu: 'https://other.example/oauth/token' } })],
      ['an address that is none', () => proof({ claims: { htu: 'nonsense' } })],
      ['no address', () => proof({ claims: { htu: undefined } })],
      ['a time two minutes ago', () => proof({ claims: { iat: time.seconds() - 120 } })],
      ['a time in two minutes', () => proof({ claims: { iat: time.seconds() + 120 } })],
      ['a time that is no number', () => proof({ claims: { iat: 'now' } })],
      ['no time', () => proof({ claims: { iat: undefined } })],
      ['no jti', () => proof({ claims: { jti: undefined } })],
      ['an endless jti', () => proof({ claims: { jti: 'x'.repeat(513) } })],
      [
        'claims that are no JSON',
        () => {
          const { kid: _, ...jwk } = key.jwk
          return jwt({ typ: 'JWT', jwk }, 'not JSON', key)
        },
      ],
      ['nonsense', () => 'nonsense'],
      ['a second proof behind it', () => `${proof()}, ${proof()}`],
    ]
    it.each(wrong)('with %s is refused', async (_, made) => {
      const { status, body } = await own(made())
      expect([status, body.error]).toEqual([400, 'invalid_dpop_proof'])
    })

    it('works once, even of eight at once', async () => {
      const once = proof()
      const answers = await Promise.all(Array.from({ length: 8 }, () => own(once)))
      expect(answers.filter(({ status }) => status === 200)).toHaveLength(1)
    })

    it('may name the address with a query, or as parsers write it', async () => {
      expect((await own(proof({ claims: { htu: `${tokenUrl()}?x=1#y` } }))).status).toBe(200)
      expect((await own(proof({ claims: { htu: tokenUrl().replace('http', 'HTTP') } }))).status).toBe(200)
    })

    it('lets its token in once, with its method, its address and its token', async () => {
      const { access_token: token } = await bound()
      const { access_token: another } = await bound()
      const once = proofFor(token)
      expect((await use(token, once)).status).toBe(200)
      const refusals = [
        once,
        null,
        proofFor(another),
        proofFor(token, { claims: { ath: undefined } }),
        proofFor(token, { claims: { htm: 'POST' } }),
        proofFor(token, { claims: { htu: `${world.url}/marketplace/billing/charges` } }),
        proofFor(token, { claims: { iat: time.seconds() - 61 } }),
        proofFor(token, {}, newKey()),
        proofFor(token, { signer: newKey() }),
      ]
      for (const [index, dpop] of refusals.entries()) {
        const { status, body, headers } = await use(token, dpop)
        expect([index, status, body.code]).toEqual([index, 401, 'invalid_token'])
        // A right proof of another key's says that the token is not its sender's; a wrong one, that another is needed.
        const error = index === 7 ? 'invalid_token' : 'invalid_dpop_proof'
        expect(headers.get('www-authenticate')).toContain(`DPoP algs="ES256 RS256 PS256", error="${error}"`)
      }
      expect((await use(token, proofFor(token))).status).toBe(200)
    })

    it('is needed: a bound token is no bearer token, with a proof or without', async () => {
      const { access_token: token } = await bound()
      expect((await use(token, null, 'Bearer')).status).toBe(401)
      expect((await use(token, proofFor(token), 'Bearer')).status).toBe(401)
      // Also when the caller is remembered from a request that was right.
      expect((await use(token, proofFor(token))).status).toBe(200)
      expect((await use(token, null, 'Bearer')).status).toBe(401)
      expect((await use(token, null)).status).toBe(401)
    })

    it('makes no bound token of one that is not', async () => {
      const { body } = await world.tokens(app, { browser })
      expect((await use(body.access_token, null, 'Bearer')).status).toBe(200)
      expect((await use(body.access_token, proofFor(body.access_token))).status).toBe(401)
    })

    it('of another key, or none, refreshes nothing, and spoils nothing', async () => {
      const tokens = await bound()
      const form = { grant_type: 'refresh_token', refresh_token: tokens.refresh_token, ...clientForm(app) }
      for (const headers of [{ DPoP: proof({}, newKey()) }, {}]) {
        const { status, body } = await world.token(form, headers as Record<string, string>)
        expect([status, body.error]).toEqual([400, 'invalid_dpop_proof'])
      }
      const { body } = await world.token(form, { DPoP: proof() })
      expect(body.token_type).toBe('DPoP')
      expect((await use(body.access_token, proofFor(body.access_token))).status).toBe(200)
    })

    it('binds what comes of an authorization that was not bound, once its client sends one', async () => {
      const tokens = (await world.tokens(app, { browser })).body
      const form = { grant_type: 'refresh_token', refresh_token: tokens.refresh_token, ...clientForm(app) }
      const { body } = await world.token(form, { DPoP: proof() })
      expect(body.token_type).toBe('DPoP')
      expect((await use(body.access_token, null, 'Bearer')).status).toBe(401)
      expect((await use(body.access_token, proofFor(body.access_token))).status).toBe(200)
    })

    it('of a pushed request binds the code, and must be of the key that dpop_jkt names', async () => {
      const { challenge } = pkce()
      const asked = { response_type: 'code', redirect_uri: callback, code_challenge: challenge }
      const form = { ...asked, code_challenge_method: 'S256', ...clientForm(app) }
      const at = (by = key) => dpopProof(by, { method: 'POST', url: `${world.url}/oauth/par`, seconds: time.seconds() })
      const fits = await world.post('/oauth/par', { ...form, dpop_jkt: key.thumbprint }, { DPoP: at() })
      expect(fits.status).toBe(201)
      const other = await world.post('/oauth/par', { ...form, dpop_jkt: newKey().thumbprint }, { DPoP: at() })
      expect([other.status, other.body.error]).toEqual([400, 'invalid_dpop_proof'])
    })

    it('is asked of a client that has to bind its tokens, where it gets some', async () => {
      const strict = await world.app({ requiresDpop: true })
      const { status, body } = await world.token({ grant_type: 'client_credentials', ...clientForm(strict) })
      expect([status, body.error]).toEqual([400, 'invalid_dpop_proof'])
      expect((await world.post('/oauth/revoke', { token: 'x', ...clientForm(strict) })).status).toBe(200)
      expect((await world.post('/oauth/introspect', { token: 'x', ...clientForm(strict) })).body).toEqual({
        active: false,
      })
    })
  })
})

onPostgres((database) => {
  it('an assertion and a proof that one host has seen are used up on the other', async () => {
    const shared = await sharedDatabase(database)
    const world = await openOAuthWorld(shared.database)
    const second = await anotherHost({ database: shared.url, baseUrl: world.url })
    const key = newKey()
    const app = await world.app({ jwks: { keys: [key.jwk] } })
    const ask = (url: string, form: Record<string, string>, headers: Record<string, string> = {}) =>
      call(url, 'POST', '/oauth/token', {
        body: new URLSearchParams({ grant_type: 'client_credentials', ...form }).toString(),
        headers: { 'Content-Type': 'application/x-www-form-urlencoded', ...headers },
      })
    const assertion = assertionForm(key, { clientId: app.clientId, audience: world.url })
    expect((await ask(world.url, assertion)).status).toBe(200)
    expect((await ask(second.url, assertion)).body.error).toBe('invalid_client')

    const DPoP = dpopProof(key, { method: 'POST', url: `${world.url}/oauth/token` })
    expect((await ask(second.url, clientForm(app) as Record<string, string>, { DPoP })).status).toBe(200)
    expect((await ask(world.url, clientForm(app) as Record<string, string>, { DPoP })).body.error).toBe(
      'invalid_dpop_proof',
    )
  })
})
