import fc from 'fast-check'
import { expect, it } from 'vitest'
import {
  createEndpoint,
  createEventTypes,
  embedderTypes,
  hasSubscribers,
  ownEventTypes,
  publishMany,
  type Endpoint,
  type EventsContext,
  type InstalledAt,
  type NewEvent,
} from '../../core/src/events/index.ts'
import { parseConfig } from '../../core/src/config.ts'
import { eachDatabase } from '../support/databases.ts'
import { orderTypes } from './embedder.ts'
import { createCaller, openEvents, type OpenedEvents } from './support.ts'

const environments = ['production', 'sandbox'] as const
type Environment = (typeof environments)[number]

// The publisher is org_publisher, of app_one and app_two; org_other publishes app_other, and is a merchant too.
const publishers: Record<string, string> = {
  app_one: 'org_publisher',
  app_two: 'org_publisher',
  app_other: 'org_other',
}
const organizations = ['org_publisher', 'org_other']
const locations = [null, 'loc_1', 'loc_2']
const permissions = ['orders:index', 'charges:read', 'orders:show']

interface Installed extends InstalledAt {
  organizationId: string
  locationId: string | null
  environment: Environment
  enabled: boolean
}

/** Everything that could be installed, once: the ids are fixed, so that endpoints can be theirs. */
const installable = Object.keys(publishers).flatMap((applicationId) =>
  organizations.flatMap((organizationId) =>
    locations.flatMap((locationId) =>
      environments.map((environment) => ({
        installationId: `ins_${applicationId}_${organizationId}_${locationId ?? 'all'}_${environment}`,
        applicationId,
        publisherId: publishers[applicationId]!,
        organizationId,
        locationId,
        environment,
      })),
    ),
  ),
)

const filters = [['*'], ['order.*', 'charge.created'], ['note.made'], ['*.created'], ['application-instance-*']]

/** The port, as installations fill it. */
const installedWhere = (installed: Installed[]): EventsContext['installationsAt'] => {
  return (_db, at) =>
    Promise.resolve(
      installed.filter(
        (each) =>
          each.enabled &&
          each.organizationId === at.organizationId &&
          each.environment === at.environment &&
          (each.locationId === null || each.locationId === at.locationId),
      ),
    )
}

async function openFanOut(database: Parameters<typeof openEvents>[0]): Promise<OpenedEvents & { ctx: EventsContext }> {
  const opened = await openEvents(database)
  const { eventTypes } = parseConfig({ secret: 's'.repeat(32), eventTypes: orderTypes })
  opened.ctx.eventTypes = createEventTypes([...ownEventTypes, ...embedderTypes(eventTypes)])
  // What the events say is not the matter here.
  Object.assign(opened.ctx, { config: { ...opened.ctx.config, mode: 'production' } })
  return opened
}

type Owner = Pick<Endpoint, 'organizationId' | 'applicationId' | 'installationId' | 'environment'>

/** Disabled, because there can be more of those; what is held counts as received. */
async function addEndpoint({ ctx }: OpenedEvents, owner: Owner, events: string[]): Promise<Endpoint> {
  const { organizationId, applicationId, installationId, environment } = owner
  const caller = createCaller({
    organizationId,
    environment,
    onlyApplicationId: installationId === null ? applicationId : null,
    application: installationId === null ? null : { applicationId: applicationId!, installationId, rateLimit: null },
  })
  return ctx.db.transaction((trx) =>
    createEndpoint(ctx, trx, caller, { url: 'https://127.0.0.1/', events: events as ['*'], status: 'DISABLED' }),
  )
}

const eventOf = (event: Partial<NewEvent<string>>): NewEvent<string> => ({
  type: 'order.created',
  publisherId: null,
  applicationId: null,
  organizationId: 'org_other',
  locationId: 'loc_1',
  environment: 'production',
  payload: { any: 'thing' },
  ...event,
})

async function receiversOf({ ctx }: OpenedEvents, event: NewEvent<string>): Promise<string[]> {
  const [id] = await ctx.db.transaction((trx) => publishMany(ctx, trx, [event]))
  const rows = (await ctx.db('stoa_deliveries').where({ event_id: id }).select('endpoint_id')) as {
    endpoint_id: string
  }[]
  return rows.map((row) => row.endpoint_id).sort()
}

/** Said anew, clause by clause of the design and not as the code has it. */
const rules: Record<
  string,
  { publisher: boolean; organization: boolean; installations: boolean; needs: string | null }
> = {
  'order.created': { publisher: false, organization: true, installations: true, needs: 'orders:index' },
  'note.made': { publisher: false, organization: true, installations: false, needs: null },
  'charge.created': { publisher: true, organization: true, installations: false, needs: 'charges:read' },
  'application-instance-enabled': { publisher: true, organization: false, installations: false, needs: null },
  'of.no-catalogue': { publisher: true, organization: false, installations: false, needs: null },
}
const matches: Record<string, (type: string) => boolean> = {
  '*': () => true,
  'order.*': (type) => type.startsWith('order.'),
  'charge.*': (type) => type.startsWith('charge.'),
  '*.created': (type) => type.endsWith('.created'),
  'application-instance-*': (type) => type.startsWith('application-instance-'),
}

function shouldReceive(endpoint: Endpoint, event: NewEvent<string>, installed: Installed[]): boolean {
  const rule = rules[event.type]!
  if (endpoint.environment !== event.environment) return false
  if (!endpoint.events.some((filter) => matches[filter]?.(event.type) ?? filter === event.type)) return false
  const covering = installed.filter(
    (each) =>
      each.enabled &&
      each.organizationId === event.organizationId &&
      each.environment === event.environment &&
      [null, event.locationId].includes(each.locationId) &&
      rule.needs !== null &&
      each.permissions.has(rule.needs),
  )
  if (endpoint.installationId !== null) {
    const own = covering.find((each) => each.installationId === endpoint.installationId)
    return own !== undefined && [null, own.applicationId].includes(event.applicationId)
  }
  if (endpoint.applicationId === null || endpoint.applicationId === event.applicationId) {
    if (rule.publisher && event.publisherId === endpoint.organizationId) return true
    if (rule.organization && event.organizationId === endpoint.organizationId) return true
  }
  return (
    rule.installations &&
    covering.some(
      (each) =>
        each.publisherId === endpoint.organizationId &&
        [null, each.applicationId].includes(endpoint.applicationId) &&
        [null, each.applicationId].includes(event.applicationId),
    )
  )
}

const anInstallation = (at: (typeof installable)[number]) =>
  fc
    .record({ enabled: fc.boolean(), permissions: fc.subarray(permissions) })
    .map(({ enabled, permissions: granted }) => ({
      ...at,
      enabled,
      permissions: new Set(granted),
    }))

const anEvent = fc
  .record({
    type: fc.constantFrom(...Object.keys(rules)),
    applicationId: fc.constantFrom(null, ...Object.keys(publishers)),
    organizationId: fc.constantFrom(...organizations, 'org_elsewhere'),
    locationId: fc.constantFrom(...locations),
    environment: fc.constantFrom(...environments),
  })
  .map((event) => eventOf({ ...event, publisherId: event.applicationId && publishers[event.applicationId]! }))

eachDatabase((database) => {
  it(
    'gives every event to those who may have it and to nobody else, whatever there is',
    { timeout: 120_000 },
    async () => {
      const opened = await openFanOut(database)
      const owners: Owner[] = [
        ...organizations.flatMap((organizationId) =>
          environments.flatMap((environment) =>
            [null, ...Object.keys(publishers)].map((applicationId) => ({
              organizationId,
              environment,
              applicationId,
              installationId: null,
            })),
          ),
        ),
        ...installable,
      ]
      const endpoints: Endpoint[] = []
      for (const owner of owners) {
        const some = owner.installationId === null ? filters : [['*'], ['order.created', 'charge.*']]
        for (const events of some) endpoints.push(await addEndpoint(opened, owner, events))
      }

      const seen = { deliveries: 0, ofInstallations: 0, none: 0 }
      const property = fc.asyncProperty(
        anEvent,
        fc.tuple(...installable.map(anInstallation)),
        async (event, installed) => {
          opened.ctx.installationsAt = installedWhere(installed)
          const expected = endpoints.filter((endpoint) => shouldReceive(endpoint, event, installed))
          const received = await receiversOf(opened, event)
          expect(received).toEqual(expected.map(({ id }) => id).sort())
          expect(await hasSubscribers(opened.ctx, opened.ctx.db, event as NewEvent)).toBe(expected.length > 0)
          seen.deliveries += received.length
          seen.ofInstallations += expected.filter(({ installationId }) => installationId !== null).length
          if (received.length === 0) seen.none++
        },
      )
      await fc.assert(property, { numRuns: 150 })
      // It would be true of nothing too.
      expect(Math.min(seen.deliveries, seen.ofInstallations, seen.none)).toBeGreaterThan(0)
    },
  )

  it('stops when the installation is disabled or the permission is taken away', async () => {
    const opened = await openFanOut(database)
    const at = installable.find(
      (each) => each.applicationId === 'app_one' && each.organizationId === 'org_other' && each.locationId === null,
    )!
    const own = await addEndpoint(opened, { ...at, environment: 'production' }, ['*'])
    const ofPublisher = await addEndpoint(
      opened,
      { organizationId: 'org_publisher', applicationId: null, installationId: null, environment: 'production' },
      ['*'],
    )
    const installed = {
      ...at,
      environment: 'production' as const,
      enabled: true,
      permissions: new Set(['orders:index']),
    }
    const given = async (change: Partial<Installed>) => {
      opened.ctx.installationsAt = installedWhere([{ ...installed, ...change }])
      return receiversOf(opened, eventOf({}))
    }
    expect(await given({})).toEqual([own.id, ofPublisher.id].sort())
    expect(await given({ enabled: false })).toEqual([])
    expect(await given({ permissions: new Set(['orders:show']) })).toEqual([])
    expect(await given({ locationId: 'loc_2' })).toEqual([])
    expect(await given({ organizationId: 'org_publisher' })).toEqual([])
  })

  it('asks what is installed only when the type or an endpoint could need it, and once for each place', async () => {
    const opened = await openFanOut(database)
    const organization = { organizationId: 'org_other', applicationId: null, installationId: null } as const
    await addEndpoint(opened, { ...organization, environment: 'production' }, ['*'])
    let asked = 0
    opened.ctx.installationsAt = () => {
      asked++
      return Promise.resolve([])
    }
    const charge = { type: 'charge.created', publisherId: 'org_publisher', applicationId: 'app_one' }
    await receiversOf(opened, eventOf(charge))
    await receiversOf(opened, eventOf({ type: 'note.made' }))
    expect(asked).toBe(0)

    await addEndpoint(
      opened,
      installable.find(({ organizationId }) => organizationId === 'org_other')!,
      ['order.*'],
    )
    await receiversOf(opened, eventOf(charge))
    expect(asked).toBe(0)
    await opened.ctx.db.transaction((trx) =>
      publishMany(opened.ctx, trx, [eventOf({}), eventOf({}), eventOf({ locationId: 'loc_2' })]),
    )
    expect(asked).toBe(2)
  })
})
