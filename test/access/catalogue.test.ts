import { beforeAll, describe, expect, it } from 'vitest'
import type { Host, Permission } from '@stoa/core'
import { demoLogo } from '@stoa/core/testing'
import { createCatalogue } from '../../core/src/access/index.ts'
import { permission } from '../../core/src/http/index.ts'
import { memory } from '../http/support.ts'
import { openHost, type OpenedHost } from '../support/host.ts'

describe('a catalogue', () => {
  const things = (options: Parameters<typeof permission>[2] = {}) => permission('things:show', 'see things', options)

  it('knows a permission by its name and by each alias', () => {
    const catalogue = createCatalogue()
    catalogue.add([things({ aliases: ['GetThing', 'things.readonly'] })])
    for (const name of ['things:show', 'GetThing', 'things.readonly']) {
      expect(catalogue.find(name)?.name).toBe('things:show')
      expect(catalogue.resolve([name])).toEqual({ names: ['things:show'], unknown: [] })
    }
  })

  it('takes an alias that stands for several for all of them, and finds none by it alone', () => {
    const catalogue = createCatalogue()
    catalogue.add([
      permission('things:store', 'make things', { aliases: ['things.write'] }),
      permission('things:delete', 'delete things', { aliases: ['things.write'] }),
    ])
    expect(catalogue.resolve(['things.write']).names.sort()).toEqual(['things:delete', 'things:store'])
    expect(catalogue.find('things.write')).toBeNull()
  })

  it('names each permission once, and what it does not know as it was given', () => {
    const catalogue = createCatalogue()
    catalogue.add([things({ aliases: ['GetThing'] })])
    const names = [
      'things:show',
      'GetThing',
      'things:*',
      'nothing',
      'nothing:*',
      '',
      '*:show',
      'things*',
      'THINGS:SHOW',
    ]
    expect(catalogue.resolve(names)).toEqual({
      names: ['things:show'],
      unknown: ['nothing', 'nothing:*', '', '*:show', 'things*', 'THINGS:SHOW'],
    })
  })

  it('does not take resource:* for a longer resource that begins alike', () => {
    const catalogue = createCatalogue()
    catalogue.add([things(), permission('things-of-others:show', 'see others’ things')])
    expect(catalogue.resolve(['things:*']).names).toEqual(['things:show'])
  })

  it('takes the later word on a permission named twice, and keeps the aliases of both', () => {
    const catalogue = createCatalogue()
    catalogue.add([things({ roles: ['owner', 'member'], aliases: ['GetThing'], applications: true })])
    catalogue.add([things({ roles: ['owner'], aliases: ['showThing'], risk: 'high' })])
    expect(catalogue.all()).toHaveLength(1)
    expect(catalogue.find('GetThing')).toMatchObject({
      risk: 'high',
      roles: ['owner'],
      applications: false,
      aliases: ['GetThing', 'showThing'],
    })
    expect(catalogue.ofRole('owner')).toEqual(new Set(['things:show']))
    expect(catalogue.ofRole('member')).toEqual(new Set())
  })

  it('leaves what makes other credentials out of *', () => {
    const catalogue = createCatalogue()
    catalogue.add([things(), permission('api-keys:create', 'make keys'), permission('members:manage', 'manage people')])
    expect(catalogue.resolve(['*']).names).toEqual(['things:show'])
    expect(catalogue.resolve(['api-keys:*', '*']).names.sort()).toEqual(['api-keys:create', 'things:show'])
  })
})

describe('the host’s catalogue', () => {
  let opened: OpenedHost
  let host: Host
  let all: Permission[]
  beforeAll(async () => {
    opened = await openHost(memory, {
      permissions: [
        {
          name: 'appointments:read',
          sentence: 'read your appointments',
          aliases: ['appointments.readonly'],
          risk: 'low',
        },
      ],
    })
    host = opened.host
    all = host.services.permissions()
  })
  const names = () =>
    new Map(all.flatMap((each) => [each.name, ...each.aliases].map((name): [string, Permission] => [name, each])))

  it('is answered to anybody, with all names and a sentence for people', async () => {
    const { status, body } = await opened.call('GET', '/permissions')
    expect(status).toBe(200)
    expect(body).toEqual(
      all.map(({ roles: _roles, ...shown }) => expect.objectContaining({ name: shown.name, aliases: shown.aliases })),
    )
    for (const each of body as Record<string, unknown>[]) {
      expect(each).not.toHaveProperty('roles')
      expect(each.name).toMatch(/^[a-z][a-z-]*:[a-z][a-z-]*$/)
      expect(each.sentence).toMatch(/^[a-z][^.]+$/)
      expect(['low', 'medium', 'high']).toContain(each.risk)
    }
  })

  it('has every operation’s permission, under the operation’s own name too', () => {
    for (const { id, permission: needed } of host.operations) {
      if (needed) expect(names().get(id)?.name, id).toBe(needed.name)
    }
  })

  it.each([
    ['Rebilly', 'GetCustomer', 'customers:show'],
    ['Rebilly', 'GetInvoiceCollection', 'invoices:index'],
    ['ClientXCMS', 'services:create', 'services:store'],
    ['HighLevel', 'locations.readonly', 'locations:show'],
    ['HighLevel', 'charges.write', 'charges:write'],
    ['HighLevel', 'charges.readonly', 'charges:read'],
  ])('knows %s’s %s', (_seed, alias, name) => {
    expect(names().get(alias)?.name).toBe(name)
  })

  it('gives a name to one permission only, unless it is an alias that stands for several', () => {
    const canonical = new Set(all.map(({ name }) => name))
    for (const { name, aliases } of all) {
      for (const alias of aliases) expect(canonical.has(alias) && alias !== name, `${alias} of ${name}`).toBe(false)
    }
  })

  it('lets every permission be held by somebody', () => {
    for (const { name, roles } of all) expect(roles.length, name).toBeGreaterThan(0)
  })

  let number = 0
  async function register(permissions: string[]) {
    const token = opened.world.publisher.apiKey
    logoId ??= (
      await opened.call('POST', '/files', { token, body: demoLogo(), headers: { 'Content-Type': 'image/png' } })
    ).body.id as string
    const words = { name: `Asking ${++number}`, authorName: 'Ada', tagline: 'Asks', description: 'Asks for much' }
    return opened.call('POST', '/applications', { token, body: { ...words, logoId, permissions } })
  }
  let logoId: string | undefined

  it('has the embedder’s own, which applications may ask for', async () => {
    expect(names().get('appointments.readonly')).toMatchObject({ name: 'appointments:read', applications: true })
    expect((await register(['appointments:read'])).status).toBe(201)
    expect((await register(['appointments.readonly', 'charges.write'])).status).toBe(201)
  })

  it('does not let applications ask for what is for people only', async () => {
    const forPeople = all.filter(({ applications }) => !applications).map(({ name }) => name)
    expect(forPeople).toEqual(
      expect.arrayContaining(['api-keys:create', 'members:manage', 'wallet:top-up', 'applications:review']),
    )
    for (const name of forPeople) {
      const { status, body } = await register([name])
      expect([status, body.invalidFields?.[0]?.field], name).toEqual([422, 'permissions.0'])
    }
  })
})
