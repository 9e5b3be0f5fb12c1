import { createECDH, generateKeyPairSync } from 'node:crypto'
import { beforeAll, describe, expect, it } from 'vitest'
import { findClientSecret, type ApplicationsContext } from '../../core/src/applications/index.ts'
import { hashToken, mintToken } from '../../core/src/kernel/index.ts'
import { eachDatabase } from '../support/databases.ts'
import { openWorld, published, type World } from './world.ts'

const path = '/developers/applications'

const ec = (kid: string, more: object = {}) => ({
  ...generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey.export({ format: 'jwk' }),
  kid,
  ...more,
})
const rsa = (kid: string, modulusLength = 2048, more: object = {}) => ({
  ...generateKeyPairSync('rsa', { modulusLength }).publicKey.export({ format: 'jwk' }),
  kid,
  ...more,
})
const privateEc = () => generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ format: 'jwk' })
const privateRsa = () => generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({ format: 'jwk' })

eachDatabase((database) => {
  let world: World
  let time = Date.parse('2026-03-01T12:00:00.000Z')
  const clock = { now: () => new Date(time) }
  beforeAll(async () => {
    world = await openWorld(database, { clock })
  })
  let number = 0
  const create = (changes: object = {}) =>
    world.call('POST', path, world.publisher.token, { name: `Client ${++number}`, ...changes })
  const patch = (id: string, body: object) => world.call('PATCH', `${path}/${id}`, world.publisher.token, body)
  const refusal = async (changes: object) => {
    const { status, body } = await create(changes)
    return [status, body.code, body.invalidFields?.[0]?.field]
  }

  describe('what an author says of a client', () => {
    it('is kept, shown on both surfaces, and by the store to those alone whom it concerns', async () => {
      const reviewed = {
        permissions: ['GetCustomer'],
        optionalPermissions: ['invoices:index'],
        installsOn: 'location',
        redirectUris: ['https://app.example/cb', 'http://localhost:8080/cb', 'com.example.app:/callback'],
        clientType: 'native',
        requiresPkce: true,
      }
      const { status, body } = await create({ ...reviewed, requiresDpop: true })
      expect(status).toBe(201)
      expect(body).toMatchObject({ ...reviewed, requiresDpop: true, redirectUri: 'https://app.example/cb' })

      const { installsOn, permissions, optionalPermissions, ...client } = reviewed
      const id = await world.application('available', reviewed)
      const seenBy = async (token: string) => (await world.call('GET', `/applications/${id}`, token)).body
      expect(await seenBy(world.publisher.token)).toMatchObject(reviewed)
      expect(await seenBy(world.operator.token)).toMatchObject(reviewed)
      const toMerchant = await seenBy(world.merchant.token)
      expect(toMerchant).toMatchObject({ installsOn, permissions, optionalPermissions })
      for (const member of Object.keys(client)) expect(toMerchant).not.toHaveProperty(member)
    })

    it('changes through the store surface in a draft, too', async () => {
      const { id } = (await create()).body
      const changes = {
        optionalPermissions: ['GetPlan'],
        installsOn: 'organization',
        redirectUris: ['https://app.example/2'],
        requiresPkce: false,
      }
      const { status, body } = await world.call('PATCH', `/applications/${id}`, world.publisher.token, changes)
      expect(status).toBe(200)
      expect(body).toMatchObject(changes)
    })

    it('is frozen once it was approved, member by member', async () => {
      const id = await world.application('available')
      for (const [member, value] of Object.entries({
        permissions: ['GetPlan'],
        optionalPermissions: ['GetPlan'],
        installsOn: 'location',
        redirectUris: ['https://app.example/other'],
        clientType: 'public',
        requiresPkce: false,
      })) {
        expect((await patch(id, { [member]: value })).body).toMatchObject({ code: 'wrong_state', frozen: [member] })
      }
      expect((await patch(id, { requiresDpop: true, jwks: { keys: [ec('1')] } })).status).toBe(200)
    })

    it('takes one redirect URI or several, and never both', async () => {
      const uris = ['https://app.example/1', 'https://app.example/2']
      expect(await refusal({ redirectUri: uris[0], redirectUris: uris })).toEqual([
        422,
        'validation_failed',
        'redirectUri',
      ])
      const { id } = (await create({ redirectUris: uris })).body
      // What a client of Baloom's read, it sends back.
      expect((await patch(id, { redirectUri: uris[0] })).body.redirectUris).toEqual(uris)
      expect((await patch(id, { redirectUri: uris[1] })).body.redirectUris).toEqual([uris[1]])
      expect((await patch(id, { redirectUri: null })).body).toMatchObject({ redirectUri: null, redirectUris: [] })
    })

    it.each([
      [{ clientType: 'secret' }, 'clientType'],
      [{ installsOn: 'everything' }, 'installsOn'],
      [{ clientType: 'public', requiresPkce: false }, 'requiresPkce'],
      [{ clientType: 'native', requiresPkce: false }, 'requiresPkce'],
      [{ redirectUris: 'https://app.example/' }, 'redirectUris'],
      [{ redirectUris: ['https://app.example/', 'https://app.example/'] }, 'redirectUris'],
      [{ redirectUris: Array.from({ length: 21 }, (_, index) => `https://app.example/${index}`) }, 'redirectUris'],
      [{ optionalPermissions: ['GetMoon'] }, 'optionalPermissions.0'],
      [{ optionalPermissions: ['applications:review'] }, 'optionalPermissions.0'],
      [{ permissions: ['customers:*'], optionalPermissions: ['GetCustomer'] }, 'optionalPermissions.0'],
      [{ permissions: ['GetCustomer'], optionalPermissions: ['GetPlan', 'GetCustomer'] }, 'optionalPermissions.1'],
    ])('is refused as %j', async (changes, field) => {
      const [status, , place] = await refusal(changes)
      expect([status, place]).toEqual([422, field])
    })

    it('is judged together with what stays', async () => {
      const { id } = (await create({ clientType: 'native', redirectUris: ['com.example.app:/cb'] })).body
      expect((await patch(id, { clientType: 'public' })).body.invalidFields[0].field).toBe('redirectUris.0')
      expect((await patch(id, { clientType: 'public', redirectUris: [] })).status).toBe(200)
      const relaxed = (await create({ requiresPkce: false })).body.id
      expect((await patch(relaxed, { clientType: 'public' })).body.invalidFields[0].field).toBe('requiresPkce')
      const asking = (await create({ optionalPermissions: ['GetPlan'] })).body.id
      expect((await patch(asking, { permissions: ['GetPlan'] })).body.invalidFields[0].field).toBe(
        'optionalPermissions.0',
      )
    })
  })

  describe('a redirect URI', () => {
    it.each([
      'https://app.example',
      'https://app.example/cb',
      'https://app.example:8443/cb?tenant=1',
      'https://app.example/cb?x=%2F',
      'https://xn--bcher-kva.example/cb',
      'http://127.0.0.1/cb',
      'http://[::1]:3000/cb',
    ])('%s is taken from everybody', async (uri) => {
      for (const clientType of ['confidential', 'public', 'native'])
        expect((await create({ clientType, redirectUris: [uri] })).body.redirectUris).toEqual([uri])
    })

    it.each(['com.example.app:/callback', 'com.example.app://callback/x', 'com.example-2.app:/'])(
      '%s is taken from native clients alone',
      async (uri) => {
        expect((await create({ clientType: 'native', redirectUris: [uri] })).status).toBe(201)
        for (const clientType of ['confidential', 'public'])
          expect(await refusal({ clientType, redirectUris: [uri] })).toEqual([422, 'invalid_url', 'redirectUris.0'])
      },
    )

    it.each([
      ['http, not on a loopback address', 'http://app.example/cb'],
      ['a host that only begins like a loopback one', 'http://localhost.evil.example/cb'],
      ['a host with a final dot', 'http://localhost./cb'],
      ['a loopback address in short', 'http://127.1/cb'],
      ['a loopback address in hexadecimal', 'http://0x7f000001/cb'],
      ['a fragment', 'https://app.example/cb#x'],
      ['an empty fragment', 'https://app.example/cb#'],
      ['a user name', 'https://app.example@evil.example/cb'],
      ['an empty user name', 'https://@app.example/cb'],
      ['a wildcard host', 'https://*.app.example/cb'],
      ['a wildcard path', 'https://app.example/*'],
      ['dot segments', 'https://app.example/a/../cb'],
      ['encoded dot segments', 'https://app.example/a/%2e%2e/cb'],
      ['a host in capitals', 'https://APP.example/cb'],
      ['a scheme in capitals', 'HTTPS://app.example/cb'],
      ['a port that goes without saying', 'https://app.example:443/cb'],
      ['a host outside of ASCII', 'https://bücher.example/cb'],
      ['a backslash', 'https://app.example\\@evil.example/'],
      ['a space', 'https://app.example/c b'],
      ['a space at the end', 'https://app.example/cb '],
      ['a tab', 'https://app.exa\tmple/cb'],
      ['a line break', 'https://app.example/cb\r\nSet-Cookie: x'],
      ['a null character', 'https://app.example/cb\u0000'],
      ['half a character', 'https://app.example/\ud800'],
      ['a missing slash', 'https:/app.example/cb'],
      ['no scheme', '//app.example/cb'],
      ['a path alone', '/cb'],
      ['javascript:', 'javascript:alert(1)'],
      ['javascript: with a host', 'javascript://app.example/%0aalert(1)'],
      ['data:', 'data:text/html,<script>alert(1)</script>'],
      ['vbscript:', 'vbscript:msgbox(1)'],
      ['file:', 'file:///etc/passwd'],
      ['a scheme without a dot', 'myapp://cb'],
      ['a scheme without a path', 'com.example.app:callback'],
      ['a scheme of its own with a user name', 'com.example.app://evil@host/cb'],
      ['a scheme of its own with dot segments', 'com.example.app:/a/../b'],
      ['a scheme of its own with a fragment', 'com.example.app:/cb#x'],
      ['nothing', ''],
      ['2001 characters', `https://app.example/${'x'.repeat(1981)}`],
    ])('with %s is refused, of native clients, too', async (_, uri) => {
      for (const clientType of ['confidential', 'native']) {
        const [status, , field] = await refusal({ clientType, redirectUris: [uri] })
        expect([status, field]).toEqual([422, 'redirectUris.0'])
      }
    })

    it('says how it has to be written', async () => {
      const { body } = await create({ redirectUris: ['https://APP.example:443/a/../cb'] })
      expect(body.invalidFields[0].message).toBe('must be written as https://app.example/cb')
    })
  })

  describe('a key set', () => {
    it('is taken with EC and RSA keys, without what is not part of a key', async () => {
      const keys = [ec('a', { alg: 'ES256', use: 'sig' }), rsa('b', 2048, { alg: 'PS256' }), rsa('c')]
      const sent = keys.map((key) => ({ ...key, x5u: 'https://evil.example/keys', key_ops: ['verify'], ext: true }))
      const { status, body } = await create({ jwks: { keys: sent } })
      expect(status).toBe(201)
      expect(body.jwks).toEqual({ keys })
      expect((await patch(body.id, { jwks: null })).body.jwks).toBeNull()
    })

    const weak = rsa('weak', 1024)
    const offCurve = ec('off')
    it.each<[string, unknown, string]>([
      ['a list', [], 'jwks'],
      ['a text', '{"keys":[]}', 'jwks'],
      ['no keys member', { key: ec('1') }, 'jwks'],
      ['keys that are no list', { keys: {} }, 'jwks'],
      ['no keys', { keys: [] }, 'jwks.keys'],
      ['11 keys', { keys: Array.from({ length: 11 }, (_, index) => ec(String(index))) }, 'jwks.keys'],
      ['null for a key', { keys: [null] }, 'jwks.keys.0'],
      ['a list for a key', { keys: [[]] }, 'jwks.keys.0'],
      ['the same kid twice', { keys: [ec('1'), rsa('1')] }, 'jwks.keys.1.kid'],
      ['no kid', { keys: [{ ...ec('1'), kid: undefined }] }, 'jwks.keys.0.kid'],
      ['a kid of another type', { keys: [{ ...ec('1'), kid: 1 }] }, 'jwks.keys.0.kid'],
      ['a kid with a line break', { keys: [ec('a\nb')] }, 'jwks.keys.0.kid'],
      ['a shared secret', { keys: [{ kty: 'oct', k: 'c2VjcmV0', kid: '1' }] }, 'jwks.keys.0.kty'],
      ['an Ed25519 key', { keys: [{ kty: 'OKP', crv: 'Ed25519', x: 'x', kid: '1' }] }, 'jwks.keys.0.kty'],
      ['__proto__ for a type', { keys: [{ ...ec('1'), kty: '__proto__' }] }, 'jwks.keys.0.kty'],
      ['a private EC key', { keys: [{ ...privateEc(), kid: '1' }] }, 'jwks.keys.0.d'],
      ['a private RSA key', { keys: [{ ...privateRsa(), kid: '1' }] }, 'jwks.keys.0.d'],
      ['a prime of an RSA key', { keys: [rsa('1', 2048, { q: 'AQAB' })] }, 'jwks.keys.0.q'],
      ['a secret beside a public key', { keys: [ec('1', { k: 'c2VjcmV0' })] }, 'jwks.keys.0.k'],
      ['another curve', { keys: [{ ...ec('1'), crv: 'P-384' }] }, 'jwks.keys.0.crv'],
      ['an RSA key of 1024 bits', { keys: [weak] }, 'jwks.keys.0.n'],
      ['an RSA key of a million bits', { keys: [{ ...rsa('1'), n: 'x'.repeat(170_000) }] }, 'jwks.keys.0.n'],
      ['an RSA exponent of 1', { keys: [rsa('1', 2048, { e: 'AQ' })] }, 'jwks.keys.0.e'],
      ['a point that is not on the curve', { keys: [{ ...offCurve, y: offCurve.x }] }, 'jwks.keys.0'],
      ['a coordinate that is too short', { keys: [{ ...ec('1'), x: 'AA' }] }, 'jwks.keys.0.x'],
      ['standard base64', { keys: [{ ...ec('1'), x: `${'+/'.repeat(21)}A` }] }, 'jwks.keys.0.x'],
      ['alg none', { keys: [ec('1', { alg: 'none' })] }, 'jwks.keys.0.alg'],
      ['alg HS256', { keys: [rsa('1', 2048, { alg: 'HS256' })] }, 'jwks.keys.0.alg'],
      ['the algorithm of another type', { keys: [ec('1', { alg: 'RS256' })] }, 'jwks.keys.0.alg'],
      ['a key for encryption', { keys: [ec('1', { use: 'enc' })] }, 'jwks.keys.0.use'],
    ])('with %s is refused', async (_, jwks, field) => {
      const { status, body } = await create({ jwks })
      expect([status, body.invalidFields[0].field]).toEqual([422, field])
    })

    it('that is private is not repeated in the answer, which says what to do', async () => {
      const key = privateEc()
      const { body } = await create({ jwks: { keys: [{ ...key, kid: '1' }] } })
      expect(body.invalidFields[0].message).toMatch(/part of a private key/)
      expect(JSON.stringify(body)).not.toContain(key.d)
    })

    it('has keys that verify', async () => {
      // A point at infinity, and one of a key that exists: what loads is what node's verifier takes.
      const zero = Buffer.alloc(32).toString('base64url')
      expect((await create({ jwks: { keys: [{ kty: 'EC', crv: 'P-256', x: zero, y: zero, kid: '1' }] } })).status).toBe(
        422,
      )
      const ecdh = createECDH('prime256v1')
      const point = ecdh.generateKeys()
      const [x, y] = [point.subarray(1, 33).toString('base64url'), point.subarray(33).toString('base64url')]
      expect((await create({ jwks: { keys: [{ kty: 'EC', crv: 'P-256', x, y, kid: '1' }] } })).status).toBe(201)
    })
  })

  describe('the secrets of a client', () => {
    const rotate = (id: string, body?: object) =>
      world.call('POST', `${path}/${id}/rotate-secret`, world.publisher.token, body)
    const list = async (id: string) => (await world.call('GET', `${path}/${id}/secrets`, world.publisher.token)).body
    const end = (id: string, secretId: string) =>
      world.call('DELETE', `${path}/${id}/secrets/${secretId}`, world.publisher.token)
    const works = async (id: string, secret: string) =>
      (await findClientSecret({ clock } as ApplicationsContext, world.db, id, secret)) !== null
    /** A token of the application itself, as the token endpoint would have given for the secret. */
    const token = async (id: string, secretId: string) => {
      const minted = mintToken('at')
      await world.db('stoa_application_tokens').insert({
        token_hash: hashToken(minted),
        application_id: id,
        organization_id: world.publisher.organizationId,
        environment: 'production',
        permissions: '[]',
        secret_id: secretId,
        created_time: clock.now().toISOString(),
        expires_time: new Date(time + 3_600_000).toISOString(),
      })
      return hashToken(minted)
    }
    const isRevoked = async (hash: string) =>
      (await world.db('stoa_application_tokens').where({ token_hash: hash }).first()).revoked_time !== null

    it('overlap for a day while one replaces the other', async () => {
      const { id, clientSecret: first } = (await create()).body
      const { body } = await rotate(id)
      const [newer, older] = await list(id)
      expect(newer).toEqual({
        id: expect.stringMatching(/^csk_/),
        lastFour: body.clientSecret.slice(-4),
        createdTime: clock.now().toISOString(),
        expiresTime: null,
        lastUsedTime: null,
      })
      expect(older).toMatchObject({
        lastFour: first.slice(-4),
        expiresTime: new Date(time + 86_400_000).toISOString(),
      })
      expect([await works(id, first), await works(id, body.clientSecret)]).toEqual([true, true])
      time += 86_400_000 - 1
      expect(await works(id, first)).toBe(true)
      time += 1
      expect([await works(id, first), await works(id, body.clientSecret)]).toEqual([false, true])
      expect(await list(id)).toHaveLength(1)
    })

    it('are two at most: rotating again ends the oldest at once', async () => {
      const { id, clientSecret: first } = (await create()).body
      const second = (await rotate(id, { overlapSeconds: 604_800 })).body.clientSecret
      const third = (await rotate(id, { overlapSeconds: 60 })).body.clientSecret
      expect([await works(id, first), await works(id, second), await works(id, third)]).toEqual([false, true, true])
      const parallel = await Promise.all(Array.from({ length: 5 }, () => rotate(id)))
      expect(parallel.map(({ status }) => status)).toEqual([200, 200, 200, 200, 200])
      expect(await list(id)).toHaveLength(2)
    })

    it('end at once without an overlap, with the tokens obtained with them, and no others', async () => {
      const { id, clientSecret: first } = (await create()).body
      const [{ id: firstId }] = await list(id)
      const given = await token(id, firstId)
      const kept = await token(id, 'csk_another')
      const { body } = await rotate(id, { overlapSeconds: 0 })
      expect([await works(id, first), await works(id, body.clientSecret)]).toEqual([false, true])
      expect([await isRevoked(given), await isRevoked(kept)]).toEqual([true, false])
    })

    it('keep their tokens while they overlap', async () => {
      const { id } = (await create()).body
      const [{ id: firstId }] = await list(id)
      const given = await token(id, firstId)
      await rotate(id)
      expect(await isRevoked(given)).toBe(false)
      expect((await end(id, firstId)).status).toBe(204)
      expect(await isRevoked(given)).toBe(true)
    })

    it('can be ended one by one, the last one, too', async () => {
      const { id, clientSecret } = (await create()).body
      const [{ id: secretId }] = await list(id)
      expect((await end(id, secretId)).status).toBe(204)
      expect(await works(id, clientSecret)).toBe(false)
      expect(await list(id)).toEqual([])
      expect((await end(id, secretId)).body.code).toBe('not_found')
      const other = (await create()).body.id
      const [{ id: othersSecret }] = await list(other)
      expect((await end(id, othersSecret)).body.code).toBe('not_found')
      expect(await list(other)).toHaveLength(1)
    })

    it('never live longer because another one is ended or made', async () => {
      const { id, clientSecret: first } = (await create()).body
      await rotate(id, { overlapSeconds: 60 })
      const [newer] = await list(id)
      await end(id, newer.id)
      await rotate(id, { overlapSeconds: 604_800 })
      time += 61_000
      expect(await works(id, first)).toBe(false)
    })

    it('leave lines in the history and events that name them, and never show them', async () => {
      const { id } = (await create()).body
      const rotated = (await rotate(id)).body.clientSecret
      const [newer, older] = await list(id)
      await end(id, older.id)
      const { body } = await world.call('GET', `/applications/${id}/history`, world.publisher.token)
      const lines = body.map((each: Record<string, unknown>) => [each.action, each.secretId, each.from, each.to])
      expect(lines).toEqual([
        ['secret-ended', older.id, 'draft', 'draft'],
        ['secret-rotated', newer.id, 'draft', 'draft'],
        ['created', null, null, 'draft'],
      ])
      const events = await published(world.db, id)
      expect(events.map(({ type, data }) => [type, data])).toEqual([
        [
          'application.secret-rotated',
          { applicationId: id, secretId: newer.id, lastFour: newer.lastFour, expiresTime: older.expiresTime },
        ],
        [
          'application.secret-ended',
          { applicationId: id, secretId: older.id, lastFour: older.lastFour, expiresTime: clock.now().toISOString() },
        ],
      ])
      expect(JSON.stringify([body, events])).not.toContain(rotated)
    })

    it.each([{ overlapSeconds: -1 }, { overlapSeconds: 604_801 }, { overlapSeconds: 1.5 }, { overlapSeconds: '60' }])(
      'are not replaced with %j',
      async (body) => {
        const { id } = (await create()).body
        const answer = await rotate(id, body)
        expect([answer.status, answer.body.invalidFields[0].field]).toEqual([422, 'overlapSeconds'])
        expect(await list(id)).toHaveLength(1)
      },
    )

    it.each(['public', 'native'])('do not exist for a %s client', async (clientType) => {
      const { status, body } = await create({ clientType })
      expect([status, body.clientSecret]).toEqual([201, null])
      expect(await list(body.id)).toEqual([])
      expect((await rotate(body.id)).body).toMatchObject({ code: 'wrong_state' })
    })

    it('end when a draft becomes a public client, and come back when it is confidential again', async () => {
      const { id, clientSecret } = (await create()).body
      expect((await patch(id, { clientType: 'public' })).status).toBe(200)
      expect([await works(id, clientSecret), await list(id)]).toEqual([false, []])
      await patch(id, { clientType: 'confidential' })
      expect(await works(id, clientSecret)).toBe(false)
      expect((await rotate(id)).status).toBe(200)
    })

    it('end with the application', async () => {
      const { id, clientSecret } = (await create()).body
      const [{ id: secretId }] = await list(id)
      const given = await token(id, secretId)
      expect((await world.call('DELETE', `${path}/${id}`, world.publisher.token)).status).toBe(204)
      expect([await works(id, clientSecret), await isRevoked(given)]).toEqual([false, true])
    })

    it('are hashed: the hash of one is none', async () => {
      const { id, clientSecret } = (await create()).body
      expect(await works(id, hashToken(clientSecret))).toBe(false)
    })
  })
})
