import { createHost } from '@stoa/core'
import { listenOn } from '@stoa/core/testing'
import { afterAll, beforeAll, expect, it, onTestFinished } from 'vitest'
import { onPostgres } from '../support/databases.ts'
import { call } from '../support/host.ts'
import { callerAt, openDirectWallet } from './direct.ts'
import { hostConfig } from './host-config.ts'
import { openWorld, type World } from './world.ts'

onPostgres((database) => {
  let world: World
  beforeAll(async () => {
    world = await openWorld(database)
  })
  afterAll(() => world?.close())

  async function secondHost() {
    const host = await createHost({
      ...hostConfig,
      database: world.opened.url,
      clock: { now: () => new Date(world.now()) },
    })
    const server = await listenOn(host)
    onTestFinished(async () => {
      await server.close()
      await host.stop()
    })
    return server.url
  }

  it('two hosts that hammer one wallet never take it below its limit, and charge no eventId twice', async () => {
    const urls = [world.url, await secondHost()]
    const locationId = await world.location()
    const token = await world.install(world.appId, locationId)
    const neighbour = await world.location()
    const neighbourToken = await world.install(world.appId, neighbour)
    await world.fund(locationId, 20)
    await world.fund(neighbour, 1000)
    // 100 events, each sent to both hosts, for a wallet that pays 40 of them; and another wallet in the same batches.
    const answers = await Promise.all(
      Array.from({ length: 100 }, (_, n) => n).flatMap((n) =>
        urls.flatMap((url) => [
          send(url, token, { locationId, eventId: `hammer-${n}` }),
          send(url, neighbourToken, { locationId: neighbour, eventId: `hammer-${n}` }),
        ]),
      ),
    )
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([201, 200, 402]))
    expect(answers.filter(({ status }) => status === 201)).toHaveLength(140)
    expect(await world.balance(locationId)).toBe('0')
    expect(await world.balance(neighbour)).toBe('950')
    expect(await world.checkLedger()).toEqual([])

    function send(url: string, by: string, change: object) {
      return call(url, 'POST', world.chargesPath, { token: by, body: world.chargeBody(change) })
    }
  })

  it('two hosts that hammer one hot wallet with grants in it never take it or a grant below nothing', async () => {
    const locationId = await world.location()
    await world.install(world.appId, locationId)
    await world.fund(locationId, 10)
    const caller = await callerAt(world, locationId)
    const wallets = [await openDirectWallet(world, { batchSize: 5 }), await openDirectWallet(world, { batchSize: 5 })]
    onTestFinished(async () => void (await Promise.all(wallets.map(({ close }) => close()))))
    const owner = { organizationId: world.merchant.organizationId, locationId }
    const grants = await Promise.all(
      [1, 2, 3].map((priority) => wallets[priority % 2]!.books.grant(owner, 5_000_000n, { priority })),
    )
    // 25 in all, for 50 of 80; every third is given back in part by both at once, and one grant ends meanwhile.
    const rounds = Array.from({ length: 80 }, async (_, n) => {
      const body = world.chargeBody({ locationId, eventId: `hot-${n}` })
      const outcomes = await Promise.all(wallets.map((wallet) => wallet.charge(caller, body)))
      const charged = outcomes.find(({ status }) => status === 201 || status === 200)
      if (n === 40) await wallets[0]!.books.expire(grants[2]!)
      if (!charged || n % 3 !== 0) return
      const wish = { refundId: 'part', amount: 200_000n }
      await Promise.all(wallets.map(({ books }) => books.refund(caller, charged.body.chargeId, wish)))
    })
    await Promise.all(rounds)
    const account = await world.db('stoa_ledger_accounts').where({ owner_id: locationId, kind: 'wallet' }).first()
    expect(BigInt(account.balance)).toBeGreaterThanOrEqual(0n)
    const left = await world.db('stoa_grants').where({ account_id: account.id })
    expect(left.every((grant) => BigInt(grant.remaining) >= 0n)).toBe(true)
    expect(await world.db('stoa_charges').where({ location_id: locationId, seq: 0 })).not.toHaveLength(80)
    // In every version of its chain, not only at the end.
    const lowest = await world.db('stoa_ledger_entries').where({ account_id: account.id }).min({ low: 'balance_after' })
    expect(BigInt(lowest[0]!.low)).toBeGreaterThanOrEqual(0n)
    expect(await world.checkLedger()).toEqual([])
  })

  it('charges and gives back at the same time on two hosts without deadlock', async () => {
    const urls = [world.url, await secondHost()]
    const places = await Promise.all(
      Array.from({ length: 4 }, async () => {
        const locationId = await world.location()
        await world.fund(locationId, 100)
        return { locationId, token: await world.install(world.appId, locationId) }
      }),
    )
    const rounds = Array.from({ length: 40 }, async (_, n) => {
      const { locationId, token } = places[n % 4]!
      const charge = await call(urls[n % 2]!, 'POST', world.chargesPath, {
        token,
        body: world.chargeBody({ locationId }),
      })
      const path = `${world.chargesPath}/${charge.body.chargeId}`
      const voids = await Promise.all(urls.map((url) => call(url, 'DELETE', path, { token })))
      return [charge.status, ...voids.map(({ status }) => status)]
    })
    for (const statuses of await Promise.all(rounds)) expect(statuses).toEqual([201, 200, 200])
    for (const { locationId } of places) expect(await world.balance(locationId)).toBe('100')
    expect(await world.checkLedger()).toEqual([])
  })

  it('charges once what costs nothing on a location without a wallet to lock', async () => {
    const locationId = await world.location()
    await world.install(world.appId, locationId)
    const caller = await callerAt(world, locationId)
    const wallets = [await openDirectWallet(world), await openDirectWallet(world)]
    onTestFinished(async () => void (await Promise.all(wallets.map(({ close }) => close()))))
    const free = { locationId, meterId: world.dynamic, price: 0.01, units: 0.000001 }
    for (let round = 0; round < 20; round++) {
      const body = world.chargeBody(free)
      const outcomes = await Promise.all(wallets.map(({ charge }) => charge(caller, body)))
      expect(new Set(outcomes.map(({ status }) => status))).toEqual(new Set([200, 201]))
    }
  })

  it('tries a batch again that the database broke off, and gives up with 503 when that does not help', async () => {
    const locationId = await world.location()
    await world.install(world.appId, locationId)
    await world.fund(locationId, 100)
    const caller = await callerAt(world, locationId)
    const wallet = await openDirectWallet(world)
    onTestFinished(wallet.close)
    const breakOff = async (times: number) => {
      await world.db.raw(`drop trigger if exists test_deadlock on stoa_charges; drop sequence if exists test_failures`)
      await world.db.raw(`create sequence test_failures;
        create or replace function test_deadlock() returns trigger language plpgsql as $$ begin
          if nextval('test_failures') <= ${times} then raise exception 'deadlock' using errcode = 'deadlock_detected'; end if;
          return null; end $$;
        create trigger test_deadlock after insert on stoa_charges for each statement execute function test_deadlock()`)
    }
    onTestFinished(() => breakOff(0))
    const charge = () => wallet.charge(caller, world.chargeBody({ locationId }))

    await breakOff(2)
    expect((await Promise.all([charge(), charge()])).map(({ status }) => status)).toEqual([201, 201])
    await breakOff(1000)
    const refused = await charge()
    expect(refused.error).toMatchObject({ code: 'unavailable', retryAfter: 1 })
    expect(await world.balance(locationId)).toBe('99')
    expect(await world.checkLedger()).toEqual([])
  })
})
