import { expect, it } from 'vitest'
import { createHost } from '@stoa/core'
import { eachDatabase } from '../support/databases.ts'
import { callerAt, openDirectWallet } from './direct.ts'
import { hostConfig } from './host-config.ts'
import { openWorld } from './world.ts'

it('refuses a batch that has more charges than a statement of SQLite can name', async () => {
  const refused = createHost({ ...hostConfig, database: ':memory:', wallet: { batchSize: 1001 } })
  await expect(refused).rejects.toThrow(/wallet\.batchSize/)
})

eachDatabase((database) => {
  it('books the largest batch there can be in one transaction', async () => {
    const world = await openWorld(database)
    await world.fund(world.locationId, 1000)
    const wallet = await openDirectWallet(world, { batchSize: 1000 })
    const caller = await callerAt(world, world.locationId)
    const outcomes = await Promise.all(Array.from({ length: 1000 }, () => wallet.charge(caller, world.chargeBody())))
    expect(new Set(outcomes.map(({ status }) => status))).toEqual(new Set([201]))
    expect(await world.balance()).toBe('500')
    await wallet.close()
    await world.close()
  })
})
