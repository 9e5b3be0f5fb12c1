import { afterAll, beforeAll, expect, it } from 'vitest'
import { createMetrics } from '../../core/src/metrics/index.ts'
import { readWalletBacklog } from '../../core/src/wallet/index.ts'
import { eachDatabase } from '../support/databases.ts'
import { callerAt, openDirectWallet, type DirectWallet } from './direct.ts'
import { openWorld, type World } from './world.ts'

type Figures = Record<string, number>

/** Every sample of the wallet, by its name with its labels; of histograms only how many they saw, and their sum. */
function figuresOf(text: string): Figures {
  const lines = text.split('\n').map((line) => /^(stoa_(?:charge|top_up|subscription|payout)\S+) (\S+)$/.exec(line))
  return Object.fromEntries(
    lines.flatMap((parts) => (parts && !parts[1]!.includes('_bucket{') ? [[parts[1]!, Number(parts[2])]] : [])),
  )
}

eachDatabase((database) => {
  let world: World
  let direct: DirectWallet
  beforeAll(async () => {
    world = await openWorld(database, {}, { isStarted: false })
    direct = await openDirectWallet(world, {}, world.clock)
    await world.fund(world.locationId, 100)
  })
  afterAll(async () => {
    await direct?.close()
    await world?.close()
  })
  const ofHost = async () => figuresOf(await world.host.metrics())

  it('counts what was booked, answered again, and refused with which code, and how many were decided together', async () => {
    const body = world.chargeBody()
    await world.charge(body)
    expect(await ofHost()).toMatchObject({
      stoa_charges_booked_total: 1,
      stoa_charges_replayed_total: 0,
      stoa_charge_batch_size_count: 1,
      stoa_charges_waiting: 0,
    })
    await world.charge(body)
    await world.charge({ ...body, units: 2 })
    await world.charge({ units: 1000 })
    await world.batch([world.chargeBody(), world.chargeBody({ meterId: 'mtr_unknown' }), body])
    const atomic = [world.chargeBody(), world.chargeBody({ meterId: 'mtr_unknown' })]
    expect((await world.batch(atomic, { atomic: true })).body.code).toBe('meter_not_found')
    const hold = await world.hold()
    await world.capture(hold.body.holdId)
    expect(await ofHost()).toMatchObject({
      stoa_charges_booked_total: 3,
      stoa_charges_replayed_total: 2,
      'stoa_charges_refused_total{code="event_id_reused"}': 1,
      'stoa_charges_refused_total{code="insufficient_funds"}': 1,
      'stoa_charges_refused_total{code="meter_not_found"}': 3,
      // What was taken back as a whole decided nothing.
      stoa_charge_batch_size_count: 6,
      stoa_charge_batch_size_sum: 8,
    })
  })

  it('tells how many charges wait, and what was refused because too many did', async () => {
    const caller = await callerAt(world, world.locationId)
    const charges = Array.from({ length: 7 }, () => direct.charge(caller, world.chargeBody()))
    expect(figuresOf(await direct.ctx.metrics.text())).toMatchObject({ stoa_charges_waiting: 7 })
    await Promise.all(charges)
    expect(figuresOf(await direct.ctx.metrics.text())).toMatchObject({
      stoa_charges_waiting: 0,
      stoa_charges_booked_total: 7,
      stoa_charge_batch_size_count: 1,
      stoa_charge_batch_size_sum: 7,
    })

    const narrow = await openDirectWallet(world, { queueLimit: 4 }, world.clock)
    await Promise.all(Array.from({ length: 5 }, () => narrow.charge(caller, world.chargeBody())))
    expect(figuresOf(await narrow.ctx.metrics.text())).toMatchObject({
      stoa_charges_booked_total: 2,
      'stoa_charges_refused_total{code="unavailable"}': 3,
    })
    await narrow.close()
  })

  it('tells what is pending, past due and running, asked once in five seconds', async () => {
    world.advance(120)
    const none = { stoa_top_ups_pending: 0, stoa_subscriptions_past_due: 0, stoa_payout_runs_running: 0 }
    expect(await ofHost()).toMatchObject(none)
    for (const environment of ['production', 'sandbox']) {
      const body = { environment }
      await world.request('POST', '/platform/payout-runs', { token: world.operator.token, body })
    }
    const wish = { amount: 5, reference: 'pending', paymentMethod: 'play_pending' }
    const asked = await world.request('POST', '/wallet/top-ups', { token: world.merchant.sandbox, body: wish })
    expect(asked.body.status).toBe('pending')
    const subscription = {
      publisher_id: 'org_publisher',
      application_id: world.appId,
      organization_id: 'org_merchant',
      environment: 'production',
      plan_id: 'pln_1',
      anchor_time: world.now(),
      period_start: world.now(),
      ends_with_period: world.dialect.booleanType === 'boolean' ? false : 0,
      tries: 1,
      revision: 1,
      created_time: world.now(),
      updated_time: world.now(),
    }
    for (const [index, status] of ['past_due', 'active', 'past_due', 'past_due', 'unpaid'].entries()) {
      const ids = { id: `sub_${index}`, installation_id: `ins_${index}` }
      await world.db('stoa_subscriptions').insert({ ...subscription, ...ids, status })
    }
    world.advance(4)
    expect(await ofHost()).toMatchObject(none)
    world.advance(1)
    expect(await ofHost()).toMatchObject({
      stoa_top_ups_pending: 1,
      stoa_subscriptions_past_due: 3,
      stoa_payout_runs_running: 2,
    })
    expect(await readWalletBacklog({ db: world.db })).toEqual({
      topUpsPending: 1,
      subscriptionsPastDue: 3,
      payoutRunsRunning: 2,
    })
  })

  it('names no tenant', async () => {
    expect(await world.host.metrics()).not.toMatch(/\b(org|app|loc|mtr|ins|chg)_[0-9a-f]{8}/)
  })
})

it('says that nobody knows when the database cannot be asked', async () => {
  const metrics = createMetrics({ clock: { now: () => new Date() } })
  metrics.watchWallets(() => Promise.reject(new Error('gone')))
  const text = await metrics.text()
  for (const name of ['top_ups_pending', 'subscriptions_past_due', 'payout_runs_running']) {
    expect(text).toMatch(new RegExp(`^stoa_${name} nan$`, 'im'))
  }
})
