import { demoLogo, filesContract } from '@stoa/core/testing'
import { beforeAll, describe, expect, it } from 'vitest'
import { createDatabaseFiles } from '../../core/src/applications/index.ts'
import { eachDatabase } from '../support/databases.ts'
import { openWorld, type World } from './world.ts'

eachDatabase((database) => {
  let world: World
  beforeAll(async () => {
    world = await openWorld(database, { fileLimitBytes: 100_000 })
  })
  const upload = (bytes: Buffer, headers: Record<string, string> = {}, person = world.publisher) =>
    world.call('POST', '/files', person.token, bytes, headers)

  describe('files', () => {
    it.each(['image/png', 'application/x-www-form-urlencoded', 'text/html', 'application/json', undefined])(
      'takes an image whatever Content-Type says: %s',
      async (type) => {
        const { status, headers, body } = await upload(demoLogo(), type ? { 'Content-Type': type } : {})
        expect(status).toBe(201)
        expect(body).toMatchObject({ mime: 'image/png', extension: 'png', size: demoLogo().length })
        expect(headers.get('location')).toBe(
          `http://stoa.test/organizations/${world.publisher.organizationId}/files/${body.id}`,
        )
      },
    )

    it('gives the image back byte for byte to anybody, with headers that make it harmless', async () => {
      const { body } = await upload(demoLogo(), { 'Content-Type': 'text/html' })
      const { status, headers, bytes } = await world.call('GET', `/files/${body.id}/download`)
      expect(status).toBe(200)
      expect(bytes.equals(demoLogo())).toBe(true)
      expect(headers.get('content-type')).toBe('image/png')
      expect(headers.get('x-content-type-options')).toBe('nosniff')
      expect(headers.get('content-disposition')).toBe('inline; filename="logo.png"')
      expect(headers.get('content-security-policy')).toBe("default-src 'none'; sandbox")
      expect(headers.get('cache-control')).toContain('immutable')
      const scoped = `/organizations/${world.publisher.organizationId}/files/${body.id}/download`
      expect((await world.call('GET', scoped, world.publisher.token)).status).toBe(200)
    })

    it('tells what it knows to the own organization only', async () => {
      const { body } = await upload(demoLogo())
      expect((await world.call('GET', `/files/${body.id}`, world.publisher.token)).body).toEqual(body)
      const [theirs, none] = [
        await world.call('GET', `/files/${body.id}`, world.rival.token),
        await world.call('GET', '/files/file_0', world.rival.token),
      ]
      expect(theirs.status).toBe(404)
      expect({ ...theirs.body, traceId: '', instance: '' }).toEqual({ ...none.body, traceId: '', instance: '' })
      expect((await world.call('GET', '/files/file_0/download')).status).toBe(404)
    })

    it.each([
      ['an SVG', Buffer.from('<svg xmlns="http://www.w3.org/2000/svg"/>')],
      ['a page', Buffer.from('<script>alert(1)</script>')],
      ['one byte', Buffer.from([0x89])],
      ['nothing', Buffer.alloc(0)],
      ['a truncated image', demoLogo().subarray(0, -1)],
      ['an image with an archive behind it', Buffer.concat([demoLogo(), Buffer.from('PK\x03\x04')])],
      ['a page before an image', Buffer.concat([Buffer.from('<script>'), demoLogo()])],
    ])('refuses %s', async (_name, bytes) => {
      const before = await world.db('stoa_file_contents').select('id')
      const { status, body } = await upload(bytes, { 'Content-Type': 'image/png' })
      expect(status).toBe(422)
      expect(body.code).toBe('invalid_file')
      expect(await world.db('stoa_file_contents').select('id')).toEqual(before)
    })

    it('refuses what is larger than the host accepts', async () => {
      const { status, body } = await upload(Buffer.alloc(100_001))
      expect(status).toBe(413)
      expect(body.code).toBe('body_too_large')
    })

    it('takes no more than an organization may have, and leaves others alone', async () => {
      const crowded = await openWorld(database, { filesPerOrganization: 2 })
      await crowded.upload()
      const { status, body } = await crowded.call('POST', '/files', crowded.publisher.token, demoLogo())
      expect(status).toBe(409)
      expect(body).toMatchObject({ code: 'limit_reached', limit: 2 })
      expect(await crowded.db('stoa_file_contents').select('id')).toHaveLength(2)
      expect((await crowded.call('POST', '/files', crowded.rival.token, demoLogo())).status).toBe(201)
    })

    it('needs a credential with the right', async () => {
      expect((await world.call('POST', '/files', undefined, demoLogo())).status).toBe(401)
      const member = await world.colleague(world.publisher, 'member')
      expect((await upload(demoLogo(), {}, member)).status).toBe(403)
    })
  })

  describe('createDatabaseFiles', () => {
    const cases = filesContract(() => Promise.resolve(createDatabaseFiles(world.db, { now: () => new Date() })))
    it.each(cases)('$name', ({ run }) => run())
  })
})
