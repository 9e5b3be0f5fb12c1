import type { NewEvent } from '../../events/index.ts'
import { integer, iso, json, text, toJson, type Db, type Row } from '../../database/index.ts'
import type { Page, Paged } from '../../http/index.ts'
import { microsText, type ErrorCode, type StoaError } from '../../kernel/index.ts'
import { selectRaw } from '../ledger/select-raw.ts'
import type { ChargeRequest } from './charge.ts'
import type { ChargeTerms } from './charge-terms.ts'

const table = 'stoa_charge_attempts'

/** What the merchant's money or limits refuse. Requests that are wrong are not kept: they say nothing about the merchant. */
const declining: ReadonlySet<string> = new Set<ErrorCode>([
  'insufficient_funds',
  'wallet_suspended',
  'cap_reached',
  'usage_limit_reached',
])

export const isDeclined = ({ code }: StoaError): boolean => declining.has(code)

/** What is declined: a charge, or a hold for one. */
export type Declinable = Pick<
  ChargeRequest,
  | 'installationId'
  | 'eventId'
  | 'applicationId'
  | 'organizationId'
  | 'locationId'
  | 'environment'
  | 'meterId'
  | 'userId'
  | 'units'
>

/** A charge that was declined: one line for each eventId and reason, however often it was tried. */
export interface ChargeAttempt {
  installationId: string
  eventId: string
  code: string
  applicationId: string
  organizationId: string
  locationId: string
  meterId: string
  units: bigint
  /** What the application was told. */
  details: Record<string, unknown>
  tries: number
  firstTime: string
  lastTime: string
}

/** Keeps what was declined, and returns what publishers and organizations are told of it: each once, the first time. */
export async function recordDeclined(
  db: Db,
  declined: { request: Declinable; error: StoaError }[],
  { now, terms }: { now: string; terms: ReadonlyMap<Declinable, ChargeTerms> },
): Promise<NewEvent[]> {
  // One statement cannot change a row twice.
  const keyed = declined.map((each): [string, (typeof declined)[number]] => [
    `${each.request.installationId} ${each.request.eventId} ${each.error.code}`,
    each,
  ])
  const distinct = new Map(keyed)
  if (distinct.size === 0) return []
  const rows = [...distinct.values()].map(({ request, error }): unknown[] => [
    request.installationId,
    request.eventId,
    error.code,
    request.applicationId,
    request.organizationId,
    request.locationId,
    request.environment,
    request.meterId,
    request.units,
    toJson(error.details ?? {}),
    1,
    now,
    now,
  ])
  const stored = await selectRaw(
    db,
    `insert into ${table} (installation_id, event_id, code, application_id, organization_id, location_id, environment, meter_id, units,
       details, tries, first_time, last_time) values ${rows.map((row) => `(${row.map(() => '?').join(', ')})`).join(', ')}
     on conflict (installation_id, event_id, code) do update
       set tries = ${table}.tries + 1, last_time = excluded.last_time, details = excluded.details
     returning installation_id, event_id, code, tries`,
    rows.flat(),
  )
  const isNew = stored.filter((row) => integer(row.tries) === 1)
  return isNew.map((row) => {
    const { request, error } = distinct.get(`${text(row.installation_id)} ${text(row.event_id)} ${text(row.code)}`)!
    return declinedEvent(request, error, { now, publisherId: terms.get(request)!.meter.publisherId })
  })
}

function declinedEvent(
  request: Declinable,
  { code, details }: StoaError,
  { now, publisherId }: { now: string; publisherId: string },
): NewEvent {
  const { applicationId, organizationId, locationId, environment, meterId, eventId, userId, units } = request
  const {
    required = null,
    available = null,
    limit = null,
    used = null,
  } = (details?.exact ?? {}) as Record<string, string>
  const data = {
    applicationId,
    organizationId,
    locationId,
    environment,
    meterId,
    eventId,
    userId,
    units: microsText(units),
    code,
    required,
    available,
    limit,
    used,
  }
  const type = 'charge.declined'
  const payload = { type, timestamp: now, data }
  return { type, publisherId, applicationId, organizationId, locationId, environment, payload }
}

/** The latest first. */
export async function listAttempts(
  db: Db,
  { installationId, eventId }: { installationId: string; eventId: string | null },
  page: Page,
): Promise<Paged<ChargeAttempt>> {
  const own = db(table).where({ installation_id: installationId, ...(eventId !== null && { event_id: eventId }) })
  const [{ count } = { count: 0 }] = (await own.clone().count({ count: '*' })) as Row[]
  const rows = (await own
    .clone()
    .orderBy([{ column: 'last_time', order: 'desc' }, { column: 'event_id', order: 'desc' }, { column: 'code' }])
    .limit(page.limit)
    .offset(page.offset)) as Row[]
  return { items: rows.map(mapAttempt), total: integer(count) }
}

function mapAttempt(row: Row): ChargeAttempt {
  return {
    installationId: text(row.installation_id),
    eventId: text(row.event_id),
    code: text(row.code),
    applicationId: text(row.application_id),
    organizationId: text(row.organization_id),
    locationId: text(row.location_id),
    meterId: text(row.meter_id),
    units: BigInt(row.units as bigint),
    details: json(row.details),
    tries: integer(row.tries),
    firstTime: iso(row.first_time),
    lastTime: iso(row.last_time),
  }
}
