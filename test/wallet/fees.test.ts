import { afterAll, beforeAll, expect, it } from 'vitest'
import { eachDatabase } from '../support/databases.ts'
import { openWorld, type World } from './world.ts'

eachDatabase((database) => {
  let world: World
  beforeAll(async () => {
    world = await openWorld(database)
    await world.fund(world.locationId, 100)
  })
  afterAll(() => world?.close())

  const fee = (applicationId: string, feeBps: unknown, token = world.operator.token) =>
    world.request('PUT', `/platform/applications/${applicationId}/fee`, { token, body: { feeBps } })
  const history = (applicationId: string, token = world.operator.token) =>
    world.get(`/platform/applications/${applicationId}/fee`, token)
  const legs = async (chargeId: string) => {
    const rows = await world
      .db('stoa_ledger_entries as e')
      .join('stoa_ledger_transactions as t', 't.id', 'e.transaction_id')
      .join('stoa_ledger_accounts as a', 'a.id', 'e.account_id')
      .where({ 't.reference_id': chargeId, 't.kind': 'charge' })
      .select('a.kind', 'e.amount')
    return Object.fromEntries(rows.map((row) => [row.kind, Number(row.amount)]))
  }

  it('is nothing until it is set, and of each charge from then on', async () => {
    expect((await history(world.appId)).body).toEqual([])
    const before = await world.charge()
    expect(await legs(before.body.chargeId)).toEqual({ wallet: -500_000, app_payable: 500_000 })

    const set = await fee(world.appId, 1500)
    expect(set.status).toBe(200)
    expect(set.body).toMatchObject({ applicationId: world.appId, version: 1, feeBps: 1500, createdTime: world.now() })
    const during = await world.charge()
    expect(await legs(during.body.chargeId)).toEqual({ wallet: -500_000, app_payable: 425_000, platform_fee: 75_000 })

    world.advance(5)
    const changed = await fee(world.appId, 0)
    expect(changed.body.version).toBe(2)
    expect((await history(world.appId)).body).toEqual([changed.body, set.body])
  })

  it('adds no version when it stays the same', async () => {
    const id = await world.application()
    const first = await fee(id, 300)
    expect((await fee(id, 300)).body).toEqual(first.body)
    expect((await history(id)).body).toHaveLength(1)
  })

  it('gets versions that follow each other when many set it at once', async () => {
    const id = await world.application()
    const answers = await Promise.all(Array.from({ length: 10 }, (_, index) => fee(id, index + 1)))
    expect(answers.map(({ status }) => status)).toEqual(Array(10).fill(200))
    const { body } = await history(id)
    expect(body.map(({ version }: { version: number }) => version)).toEqual([10, 9, 8, 7, 6, 5, 4, 3, 2, 1])
  })

  it('is refused outside of 0 to 100 %, and for applications that do not exist', async () => {
    for (const wrong of [-1, 10_001, 1.5, '100', null]) {
      expect([wrong, (await fee(world.appId, wrong)).status]).toEqual([wrong, 422])
    }
    expect((await fee('app_none', 1)).status).toBe(404)
    expect((await history('app_none')).status).toBe(404)
  })

  it('is the operator’s', async () => {
    expect((await fee(world.appId, 1, world.publisher.token)).status).toBe(403)
    expect((await history(world.appId, world.publisher.token)).status).toBe(403)
  })
})
