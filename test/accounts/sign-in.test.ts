import jwt from 'jsonwebtoken'
import { beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { eachDatabase } from '../support/databases.ts'
import { openWorld, password, type World } from './support.ts'

eachDatabase((database) => {
  let world: World
  beforeAll(async () => {
    world = await openWorld(database)
  })
  // So that no test uses up another's attempts.
  beforeEach(() => world.advance(3600))
  const me = (token: string) => world.call('GET', '/users/me', { token })

  describe('signing in', () => {
    it('answers a session and who it is', async () => {
      const { id, owner } = await world.organization()
      const { status, body } = await world.signIn(owner.email)
      expect(status).toBe(201)
      expect(body).toEqual({
        token: expect.any(String),
        expiresTime: new Date(world.now().getTime() + 12 * 3_600_000).toISOString(),
        user: { id: owner.id, email: owner.email, name: expect.any(String) },
      })
      const { status: seen, body: shown } = await me(body.token as string)
      expect([seen, shown.user.id, shown.organizationId]).toEqual([200, owner.id, id])
    })

    it('takes the e-mail address in whatever letters, and with spaces around it', async () => {
      const { owner } = await world.organization()
      expect((await world.signIn(`  ${owner.email.toUpperCase()} `)).status).toBe(201)
    })

    it('answers a wrong password, an unknown address and an account without a password alike', async () => {
      const { owner } = await world.organization()
      await world.services.createUser({ email: 'passwordless@stoa.test', name: 'No password' })
      const answers = await Promise.all([
        world.signIn(owner.email, 'not the password'),
        world.signIn(owner.email, ''),
        world.signIn(owner.email, `${password} `),
        world.signIn('nobody@stoa.test'),
        world.signIn('passwordless@stoa.test', ''),
        world.signIn('not an address'),
        world.signIn("' or 1=1 --"),
      ])
      for (const { status, body, headers } of answers) {
        const { traceId: _trace, ...rest } = body
        expect(status).toBe(401)
        expect({ ...rest, headers: headers.get('www-authenticate') }).toEqual({
          ...{
            type: 'urn:stoa:error:invalid_credentials',
            title: 'Wrong e-mail or password',
            status: 401,
            statusCode: 401,
          },
          ...{
            code: 'invalid_credentials',
            instance: '/sessions',
            headers: expect.stringMatching(/^Bearer resource_metadata=/),
          },
          ...{ detail: expect.any(String), message: rest.detail, error: rest.detail },
        })
        expect(rest.detail).toBe(answers[0]!.body.detail)
      }
    })

    it('is refused without one of the two, or with anything else', async () => {
      for (const body of [
        {},
        { email: 'a@b.c' },
        { email: 1, password: 2 },
        { email: 'a@b.c', password: 'x', admin: true },
      ]) {
        expect((await world.call('POST', '/sessions', { body })).status).toBe(422)
      }
    })

    it('may be tried ten times a minute for one address, right or wrong, and others are not kept waiting', async () => {
      const { owner } = await world.organization()
      world.advance(60)
      const tries = []
      for (let i = 0; i < 10; i++)
        tries.push((await world.signIn(i % 2 ? owner.email : owner.email.toUpperCase(), 'wrong')).status)
      expect(tries).toEqual(Array(10).fill(401))
      const { status, body, headers } = await world.signIn(owner.email)
      expect([status, body.code, headers.get('retry-after')]).toEqual([429, 'rate_limited', '60'])
      expect((await world.signIn('nobody-else@stoa.test')).status).toBe(401)
      world.advance(60)
      expect((await world.signIn(owner.email)).status).toBe(201)
    })

    it('counts by address and place, so that a stranger locks nobody out', async () => {
      const { owner } = await world.organization()
      const from = (ip: string, given: string) =>
        world.call('POST', '/sessions', {
          body: { email: owner.email, password: given },
          headers: { 'X-Forwarded-For': ip },
        })
      world.advance(60)
      // The test host stands behind no proxy, so what the header says is not believed and all of them come from one place.
      for (let i = 0; i < 10; i++) await from(`203.0.113.${i}`, 'wrong')
      expect((await from('203.0.113.99', password)).status).toBe(429)
      world.advance(60)
      expect((await from('203.0.113.99', password)).status).toBe(201)
    })

    it('limits an unknown address like a known one', async () => {
      for (let i = 0; i < 10; i++) await world.signIn('unknown@stoa.test')
      expect((await world.signIn('unknown@stoa.test')).status).toBe(429)
    })
  })

  describe('a password', () => {
    it('is changed by who knows it, and ends every session', async () => {
      const { owner } = await world.organization()
      const second = (await world.signIn(owner.email)).body.token as string
      const change = (currentPassword: string, newPassword: string) =>
        world.call('PUT', '/users/me/password', { token: owner.token, body: { currentPassword, newPassword } })
      expect((await change('wrong password', 'a new password')).body.code).toBe('invalid_credentials')
      expect((await change(password, 'short')).status).toBe(422)
      expect((await change(password, 'a new password')).status).toBe(204)
      for (const token of [owner.token, second]) {
        expect((await world.call('GET', '/users/me', { token })).body.code).toBe('revoked_token')
      }
      expect((await world.signIn(owner.email)).status).toBe(401)
      expect((await world.signIn(owner.email, 'a new password')).status).toBe(201)
    })

    it('that the embedder’s code sets ends every session too', async () => {
      const { owner } = await world.organization()
      await world.services.setPassword(owner.id, 'set by the platform')
      expect((await world.call('GET', '/users/me', { token: owner.token })).body.code).toBe('revoked_token')
      expect((await world.signIn(owner.email, 'set by the platform')).status).toBe(201)
    })
  })

  describe('a session', () => {
    it('is over when its time is, and not before', async () => {
      const { owner } = await world.organization()
      const { token } = (await world.signIn(owner.email)).body as { token: string }
      world.advance(12 * 3600 - 1)
      expect((await me(token)).status).toBe(200)
      world.advance(1)
      const { status, body } = await me(token)
      expect([status, body.code]).toEqual([401, 'expired_token'])
      world.advance(10)
      expect((await me(token)).body.code).toBe('expired_token')
    })

    it('is dead at once when its owner signs out, and the others are not', async () => {
      const { owner } = await world.organization()
      const other = (await world.signIn(owner.email)).body.token as string
      expect((await me(owner.token)).status).toBe(200)
      expect((await world.call('DELETE', '/sessions/current', { token: owner.token })).status).toBe(204)
      const { status, body } = await me(owner.token)
      expect([status, body.code]).toEqual([401, 'revoked_token'])
      expect((await world.call('DELETE', '/sessions/current', { token: owner.token })).status).toBe(401)
      expect((await me(other)).status).toBe(200)
    })

    it('cannot be made, changed or borrowed', async () => {
      const { owner } = await world.organization()
      const [header = '', payload = '', signature = ''] = owner.token.split('.')
      const claims = jwt.decode(owner.token) as Record<string, unknown>
      const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
      const sign = (changes: object, options: jwt.SignOptions = {}) =>
        jwt.sign({ ...claims, ...changes }, 'x'.repeat(32), {
          header: { alg: 'HS256', typ: 'session+jwt' },
          ...options,
        })
      const forged = [
        `${header}.${payload}.`,
        `${header}.${payload}`,
        `${header}.${payload}.${signature.slice(0, -2)}`,
        `${encode({ alg: 'none', typ: 'session+jwt' })}.${payload}.`,
        `${header}.${encode({ ...claims, exp: 9_999_999_999 })}.${signature}`,
        `${header}.${encode({ ...claims, sid: 'ses_1' })}.${signature}`,
        sign({}),
        sign({ aud: 'other' }),
        `${header}.%%%.${signature}`,
        `..`,
        `${owner.token}.`,
      ]
      for (const token of forged) {
        const { status, body } = await me(token)
        expect([status, body.code], token).toEqual([401, 'invalid_token'])
      }
    })

    it('of another host is of no use here', async () => {
      const other = await openWorld(database, { secret: 'the secret of an altogether different host' })
      const { owner } = await other.organization()
      expect((await me(owner.token)).body.code).toBe('invalid_token')
    })
  })
})
