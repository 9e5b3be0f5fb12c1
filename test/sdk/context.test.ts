import { exportJWK, generateKeyPair, SignJWT } from 'jose'
import { InvalidContextError, TokenRequestError } from '@stoa/sdk'
import { describe, expect, it, test } from 'vitest'
import { addressOf, openWorld } from './world.ts'

const seconds = () => Math.floor(Date.now() / 1_000)

describe('the context of an embedded page', () => {
  it('says who looks at it, and where', async () => {
    const { app, host } = await openWorld()
    expect(await app.verifyContext(await host.contextToken())).toEqual({
      userId: 'usr_1',
      organizationId: 'org_1',
      locationId: 'loc_1',
      role: 'admin',
      environment: 'production',
    })
    const whole = await host.contextToken({ locationId: undefined, environment: 'sandbox', role: undefined })
    expect(await app.verifyContext(whole)).toMatchObject({ locationId: null, environment: 'sandbox', role: null })
  })

  it('is checked without asking the host each time', async () => {
    const { app, host } = await openWorld()
    for (const _ of [1, 2, 3]) await app.verifyContext(await host.contextToken())
    expect(host.paths).toEqual({ '/.well-known/oauth-authorization-server': 1, '/oauth/jwks': 1 })
  })

  it('asks for the keys no more often because somebody invents key ids', async () => {
    const { app, host } = await openWorld()
    await app.verifyContext(await host.contextToken())
    for (const kid of ['a', 'b', 'c']) {
      await expect(app.verifyContext(await host.contextToken({}, { kid }))).rejects.toThrow(InvalidContextError)
    }
    expect(host.paths['/oauth/jwks']).toBe(1)
  })

  it('may be five seconds over its end, by clocks that differ', async () => {
    const { app, host } = await openWorld()
    await app.verifyContext(await host.contextToken({ exp: seconds() - 3 }))
    await expect(app.verifyContext(await host.contextToken({ exp: seconds() - 6 }))).rejects.toThrow(
      InvalidContextError,
    )
  })

  test.each<[string, Record<string, unknown>, Record<string, unknown>?]>([
    ['for another app', { aud: 'app_2-x' }],
    ['of another host', { iss: 'https://evil.example' }],
    ['without an end', { exp: undefined }],
    ['of nobody', { sub: undefined }],
    ['of nowhere', { companyId: undefined }],
    ['that is not valid yet', { nbf: seconds() + 60 }],
    ['of another kind', {}, { typ: 'at+jwt' }],
    ['of no kind', {}, { typ: undefined }],
  ])('is not believed %s', async (_name, claims, header) => {
    const { app, host } = await openWorld()
    await expect(app.verifyContext(await host.contextToken(claims, header))).rejects.toThrow(InvalidContextError)
  })

  it('is not believed of another key, by another algorithm, unsigned or as nonsense', async () => {
    const { app, host } = await openWorld()
    const [head = '', body = '', signature = ''] = (await host.contextToken()).split('.')
    const none = Buffer.from(JSON.stringify({ alg: 'none', typ: 'context+jwt' })).toString('base64url')
    const { privateKey, publicKey } = await generateKeyPair('ES256')
    const { keys } = (await (await fetch(`${host.url}/oauth/jwks`)).json()) as { keys: object[] }
    const claims = JSON.parse(Buffer.from(body, 'base64url').toString()) as Record<string, unknown>
    const header = { typ: 'context+jwt', kid: 'key-1' }
    const forged = [
      await host.contextToken({}, {}, privateKey),
      await host.contextToken({}, { alg: 'ES384', kid: 'key-2' }, host.otherKey),
      await host.contextToken({}, { jwk: await exportJWK(publicKey) }, privateKey),
      await new SignJWT(claims)
        .setProtectedHeader({ ...header, alg: 'HS256' })
        .sign(Buffer.from(JSON.stringify(keys[0]))),
      `${none}.${body}.`,
      `${none}.${body}.${signature}`,
      `${head}.${Buffer.from(JSON.stringify({ ...claims, sub: 'usr_2' })).toString('base64url')}.${signature}`,
      '',
      'a.b.c',
    ]
    for (const token of forged) await expect(app.verifyContext(token)).rejects.toThrow(InvalidContextError)
  })

  it('is neither true nor false when the keys cannot be had', async () => {
    const { app, host } = await openWorld()
    const token = await host.contextToken()
    await host.stop()
    await expect(app.verifyContext(token)).rejects.toThrow(TokenRequestError)
    const { app: second, host: other } = await openWorld({
      app: {
        fetch: (input, init) =>
          addressOf(input).endsWith('/jwks') ? Promise.resolve(new Response('', { status: 503 })) : fetch(input, init),
      },
    })
    await expect(second.verifyContext(await other.contextToken())).rejects.toThrow(TokenRequestError)
  })
})
