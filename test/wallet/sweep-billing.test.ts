import { createHost } from '@stoa/core'
import { expect, it, onTestFinished } from 'vitest'
import { eachDatabase } from '../support/databases.ts'
import { hostConfig } from './host-config.ts'
import { openWorld } from './world.ts'

const day = 86_400

eachDatabase((database) => {
  it('a host that starts removes what was declined and counted long ago, and no charge', async () => {
    const world = await openWorld(database)
    onTestFinished(world.close)
    const { locationId } = world
    const meterId = await world.meter(world.appId, {
      name: 'Lines',
      unit: 'line',
      priceType: 'fixed',
      price: 1,
      freeUnits: 1,
    })
    expect((await world.charge({ meterId, units: 99 })).status).toBe(402)
    await world.fund(locationId, 10)
    expect((await world.charge({ meterId, units: 2 })).status).toBe(201)
    world.advance(61 * day)
    expect((await world.charge({ meterId, units: 20 })).status).toBe(402)
    expect((await world.charge({ meterId, units: 3 })).status).toBe(201)
    await restart()
    expect(await left()).toEqual({ attempts: 2, counters: 2, charges: 2 })

    world.advance(40 * day)
    await restart()
    expect(await left()).toEqual({ attempts: 1, counters: 1, charges: 2 })
    expect(await world.checkLedger()).toEqual([])

    async function left() {
      const [attempts, counters, charges] = await Promise.all([
        world.count('stoa_charge_attempts'),
        world.count('stoa_usage_counters'),
        world.count('stoa_charges'),
      ])
      return { attempts, counters, charges }
    }

    async function restart() {
      const host = await createHost({ ...hostConfig, database: world.opened.url, clock: world.clock })
      host.start()
      await host.stop()
    }
  })
})
