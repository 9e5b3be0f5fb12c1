import { afterAll, beforeAll, expect, it } from 'vitest'
import { onPostgres } from '../support/databases.ts'
import { openWorld, type World } from './world.ts'

onPostgres((database) => {
  let world: World
  beforeAll(async () => {
    world = await openWorld(database)
  })
  afterAll(() => world?.close())

  it('a peer that holds one wallet for ever costs the charges of that wallet a 503, and those of others nothing', async () => {
    await world.fund(world.locationId, 10)
    const neighbour = await world.location()
    const neighbourToken = await world.install(world.appId, neighbour)
    await world.fund(neighbour, 10)

    await world.db.transaction(async (stuck) => {
      await stuck('stoa_ledger_accounts').where({ kind: 'wallet', owner_id: world.locationId }).forUpdate()
      const refused = await world.charge({ eventId: 'stuck' })
      expect([refused.status, refused.body.code, refused.headers.get('retry-after')]).toEqual([503, 'unavailable', '2'])
      expect((await world.charge({ locationId: neighbour }, neighbourToken)).status).toBe(201)
      expect(await world.balance(neighbour)).toBe('9.5')
    })
    expect((await world.charge({ eventId: 'stuck' })).status).toBe(201)
    expect(await world.checkLedger()).toEqual([])
  })
})
