import type { Db } from '../database/index.ts'
import { findReceivers } from './endpoint-store.ts'
import type { Receiver } from './endpoint.ts'
import { wantsType } from './event-filter.ts'
import type { EventTypeDefinition } from './event-types.ts'
import type { Occurrence } from './event.ts'
import type { EventsContext, InstalledAt } from './events-context.ts'

type Rule = Pick<EventTypeDefinition, 'audience' | 'permission'>

/** Of a type that is in no catalogue: an embedder who gave one up may still have some of it. */
const publisherAlone: Rule = { audience: ['publisher'], permission: null }

/**
 * The endpoints that each of the events goes to, in order. One read however many events there are, and what is installed where
 * they happened only when their type, or an endpoint found, could need it. What HighLevel's format does not tell is left out
 * afterwards.
 */
export async function findAudiences(ctx: EventsContext, db: Db, events: Occurrence<string>[]): Promise<Receiver[][]> {
  const installedAt = createPlaceReader(ctx, db)
  const asked = await inOrder(events, async (event) => {
    const rule = ruleOf(ctx, event)
    const toInstallations = rule.permission !== null && rule.audience.includes('installations')
    const installed = toInstallations ? await installedAt(event) : []
    return { event, rule, installed, organizationIds: organizationsOf(event, rule, installed) }
  })
  const byOrganization = new Map<string, Receiver[]>()
  for (const receiver of await findReceivers(db, [...new Set(asked.flatMap((each) => each.organizationIds))])) {
    const { organizationId } = receiver
    byOrganization.set(organizationId, [...(byOrganization.get(organizationId) ?? []), receiver])
  }
  return inOrder(asked, async ({ event, rule, installed, organizationIds }) => {
    const wanting = organizationIds
      .flatMap((id) => byOrganization.get(id) ?? [])
      .filter((receiver) => wants(receiver, event))
    const ofInstallations = rule.permission !== null && wanting.some(({ installationId }) => installationId !== null)
    const known = ofInstallations ? await installedAt(event) : installed
    return wanting.filter((receiver) => receives(receiver, event, rule, known))
  })
}

/** Whether one endpoint is among those that the event goes to, `installed` being what is where it happened. */
export function isTold(
  ctx: EventsContext,
  receiver: Receiver,
  event: Occurrence<string>,
  installed: InstalledAt[],
): boolean {
  return wants(receiver, event) && receives(receiver, event, ruleOf(ctx, event), installed)
}

function ruleOf({ eventTypes }: EventsContext, { type }: Occurrence<string>): Rule {
  return eventTypes.find(type) ?? publisherAlone
}

function wants({ environment, events }: Receiver, event: Occurrence<string>): boolean {
  return environment === event.environment && wantsType(events, event.type)
}

/** Whose endpoints have to be looked at, each once. */
function organizationsOf(
  event: Occurrence<string>,
  { audience, permission }: Rule,
  installed: InstalledAt[],
): string[] {
  const ids = new Set<string>()
  if (event.publisherId !== null && audience.includes('publisher')) ids.add(event.publisherId)
  if (audience.includes('organization') || permission !== null) ids.add(event.organizationId)
  for (const { publisherId } of installed) ids.add(publisherId)
  return [...ids]
}

/**
 * The rule of fan-out, for an endpoint of the event's environment that wants its type:
 *
 * - what an application made where it is installed receives by its installation alone, never by the organization it is in;
 * - the publisher's receive what concerns its applications;
 * - those of the organization receive what happens there;
 * - a publisher's receive what happens where its application is installed with the type's permission.
 *
 * An endpoint of one application receives only what concerns that application.
 */
function receives(
  { organizationId, applicationId, installationId }: Receiver,
  event: Occurrence<string>,
  { audience, permission }: Rule,
  installed: InstalledAt[],
): boolean {
  const mayTell = (at: InstalledAt) =>
    permission !== null &&
    at.permissions.has(permission) &&
    (event.applicationId === null || event.applicationId === at.applicationId)
  if (installationId !== null) return installed.some((at) => at.installationId === installationId && mayTell(at))

  const isOfApplication = applicationId === null || applicationId === event.applicationId
  if (isOfApplication && audience.includes('publisher') && organizationId === event.publisherId) return true
  if (isOfApplication && audience.includes('organization') && organizationId === event.organizationId) return true
  return (
    audience.includes('installations') &&
    installed.some(
      (at) =>
        at.publisherId === organizationId &&
        (applicationId === null || applicationId === at.applicationId) &&
        mayTell(at),
    )
  )
}

/** Asks the port once for each place. */
function createPlaceReader(ctx: EventsContext, db: Db): (event: Occurrence<string>) => Promise<InstalledAt[]> {
  const places = new Map<string, InstalledAt[]>()
  return async ({ organizationId, locationId, environment }) => {
    const key = `${organizationId} ${locationId ?? ''} ${environment}`
    const known = places.get(key) ?? (await ctx.installationsAt(db, { organizationId, locationId, environment }))
    places.set(key, known)
    return known
  }
}

/** One after the other: they share a transaction, which does one thing at a time. */
async function inOrder<Item, Result>(items: Item[], work: (item: Item) => Promise<Result>): Promise<Result[]> {
  const results: Result[] = []
  for (const item of items) results.push(await work(item))
  return results
}
