import { EventEmitter } from 'eventemitter3'
import { parseConfig } from '../../core/src/config.ts'
import { openDatabase } from '../../core/src/database/index.ts'
import { createEventTypes, ownEventTypes } from '../../core/src/events/index.ts'
import { createMetrics } from '../../core/src/metrics/index.ts'
import { createSubscriptionWorker, type WalletContext } from '../../core/src/wallet/index.ts'
import type { TestDatabase } from '../support/databases.ts'
import type { Answer } from '../support/host.ts'
import { hostConfig } from './host-config.ts'
import { openWorld } from './world.ts'

/** What was answered, or told, as JSON. */
// oxlint-disable-next-line typescript/no-explicit-any -- tests look into bodies of every shape
export type Wire = Record<string, any>

/** A world with plans, whose billing tests drive: another process's worker on the same database, beside the host's own. */
export async function openPlanWorld(database: TestDatabase) {
  const world = await openWorld(database)
  const connections: { close(): Promise<void> }[] = []

  /** A worker as another process would run one. */
  async function openWorker() {
    const connection = await openDatabase(world.opened.url)
    connections.push(connection)
    const { knex: db, dialect } = connection
    const clock = { now: () => new Date(world.now()) }
    const ignore = () => {}
    const errors: unknown[] = []
    // Billing needs no more of the context than this.
    const ctx = {
      db,
      dialect,
      config: parseConfig(hostConfig),
      clock,
      logger: { debug: ignore, info: ignore, warn: ignore, error: (line: unknown) => errors.push(line) },
      metrics: createMetrics({ clock }),
      lifecycle: new EventEmitter(),
      signals: new EventEmitter(),
      eventTypes: createEventTypes(ownEventTypes),
      eventHooks: { enrich: {}, delivered: {}, exhausted: {}, highLevel: {} },
      installationsAt: () => Promise.resolve([]),
      installationsOf: () => Promise.resolve([]),
    } as unknown as WalletContext
    return { ...createSubscriptionWorker(ctx), errors }
  }
  const worker = await openWorker()

  /** Until nothing is due any more; the host's own worker may have claimed what this one finds missing. */
  async function bill(workers = [worker]): Promise<void> {
    for (let round = 0; round < 2000; round++) {
      await Promise.all(workers.map((each) => each.runDue()))
      const due = await world.db('stoa_subscriptions').where('next_time', '<=', world.now()).first()
      const failed = workers.flatMap(({ errors }) => errors)
      if (failed.length > 0) throw new Error('Billing failed', { cause: failed[0] })
      if (!due) return
    }
    throw new Error('Something stays due')
  }

  async function plan(applicationId: string, members: object = {}): Promise<string> {
    const body = {
      name: 'Pro',
      paymentType: 'recurring',
      paymentTime: 'month',
      amount: '100',
      locationAmount: '30',
      ...members,
    }
    const path = `/developers/applications/${applicationId}/plans`
    const made = await world.request('POST', path, { token: world.publisher.token, body })
    if (made.status !== 201) throw new Error(JSON.stringify(made.body))
    return made.body.id
  }

  const free = { name: 'Free', amount: 0, locationAmount: 0, freePlan: true }
  const at = (applicationId: string, locationId: string | null, rest = '') =>
    `${world.place(locationId)}/application-instances/${applicationId}${rest}`
  const asMerchant = (method: string, path: string, body?: object): Promise<Answer> =>
    world.request(method, path, { token: world.merchant.token, ...(body && { body }) })

  const subscription = async (app: string, locationId: string | null) =>
    (await asMerchant('GET', at(app, locationId, '/plan'))).body
  const items = async (app: string, locationId: string | null) =>
    (await asMerchant('GET', `${at(app, locationId, '/plan/items')}?limit=1000`)).body as Wire[]

  return {
    ...world,
    /** A location with so much money in its wallet. */
    async funded(amount: number | string = 1000): Promise<string> {
      const id = await world.location()
      if (Number(amount) > 0) await world.fund(id, amount)
      return id
    },
    free,
    plan,
    openWorker,
    bill,
    asMerchant,
    subscription,
    items,
    put: (app: string, locationId: string | null, body: object = {}) => asMerchant('PUT', at(app, locationId), body),
    change: (app: string, locationId: string | null, planId: string) =>
      asMerchant('PUT', at(app, locationId, '/plan'), { planId }),
    cancel: (app: string, locationId: string | null) => asMerchant('DELETE', at(app, locationId, '/plan')),
    uninstall: (app: string, locationId: string | null) => asMerchant('DELETE', at(app, locationId)),
    switch: (app: string, locationId: string | null, to: 'enable' | 'disable') =>
      asMerchant('POST', at(app, locationId, `/${to}`)),
    instance: (app: string, locationId: string | null) => asMerchant('GET', at(app, locationId)),
    /** What the organization's wallet, or the location's, has. */
    has: async (locationId: string | null): Promise<string> =>
      (await asMerchant('GET', `${world.place(locationId)}/wallet`)).body.exact.balance,
    fundOrganization: async (amount: string, reference: string) => {
      const { organizationId } = world.merchant
      const body = { organizationId, amount, environment: 'production', reference }
      return world.request('POST', '/platform/top-ups', { token: world.operator.token, body })
    },
    /** A rule by which the merchant resells; the operations for it are another room's. */
    async rebill(rule: { enabled: boolean; markupBps?: number; ownPrice?: bigint; itemId?: string; app: string }) {
      const { organizationId } = world.merchant
      const { length } = await world.db('stoa_rebillings')
      await world.db('stoa_rebillings').insert({
        id: `reb_${length}`,
        organization_id: organizationId,
        location_key: '',
        application_key: rule.app,
        item_key: rule.itemId ?? '',
        environment: 'production',
        version: 1,
        enabled: rule.enabled,
        markup_bps: rule.markupBps ?? null,
        own_price: rule.ownPrice ?? null,
        currency: 'USD',
        actor: 'test',
        created_time: world.now(),
      })
    },
    setFee: (app: string, bps: number) =>
      world
        .db('stoa_platform_fees')
        .insert({ application_id: app, version: 1, fee_bps: bps, actor: 'test', created_time: world.now() }),
    /** What accounts of a kind come to for this owner, in micro-units. */
    async sumOf(kind: string, ownerId: string): Promise<bigint> {
      const rows = await world
        .db('stoa_ledger_entries as e')
        .join('stoa_ledger_accounts as a', 'a.id', 'e.account_id')
        .where({ 'a.kind': kind, 'a.owner_id': ownerId })
        .select('e.amount')
      return rows.reduce((sum: bigint, { amount }: { amount: bigint | string }) => sum + BigInt(amount), 0n)
    },
    eventsOf: async (type: string, app: string): Promise<Wire[]> => {
      const rows = await world.db('stoa_events').where({ type, application_id: app }).orderBy('id').select('payload')
      return rows.map(({ payload }: { payload: string }) => JSON.parse(payload).data)
    },
    async close() {
      await world.close()
      for (const connection of connections) await connection.close()
    },
  }
}

export type PlanWorld = Awaited<ReturnType<typeof openPlanWorld>>
