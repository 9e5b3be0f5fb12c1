import { integer, iso, maybeText, text, type Db, type Row } from '../database/index.ts'
import type { Caller, Page, Paged } from '../http/index.ts'
import type { Status } from './installation.ts'

export const actorKinds = ['user', 'api-key', 'application', 'publisher', 'host'] as const

/** Who moved an installation. A publisher is named by its organization: its people are no business of the merchant's. */
export interface Actor {
  type: (typeof actorKinds)[number]
  /** Of the person, key, application or organization; null for the host itself. */
  id: string | null
}

export const theHost: Actor = { type: 'host', id: null }

export function actorOf(caller: Caller): Actor {
  if (caller.application) return { type: 'application', id: caller.application.applicationId }
  return caller.kind === 'user' ? { type: 'user', id: caller.userId } : { type: 'api-key', id: caller.credentialId }
}

/** One line of an installation's history. */
export interface Step {
  revision: number
  actor: Actor
  /** Null for the first one. */
  from: Status | null
  to: Status
  reason: string | null
  time: string
}

export async function insertStep(db: Db, installationId: string, step: Step): Promise<void> {
  await db('stoa_installation_steps').insert({
    installation_id: installationId,
    revision: step.revision,
    actor_kind: step.actor.type,
    actor_id: step.actor.id,
    from_status: step.from,
    to_status: step.to,
    reason: step.reason,
    time: step.time,
  })
}

/** The newest first. */
export async function listSteps(db: Db, installationId: string, page: Page): Promise<Paged<Step>> {
  const query = db('stoa_installation_steps').where({ installation_id: installationId })
  const [{ count } = { count: 0 }] = (await query.clone().count({ count: '*' })) as Row[]
  const rows = (await query.orderBy('revision', 'desc').limit(page.limit).offset(page.offset)) as Row[]
  return { items: rows.map(mapStep), total: integer(count) }
}

export async function findStep(db: Db, installationId: string, revision: number): Promise<Step | null> {
  const row = await db('stoa_installation_steps')
    .where({ installation_id: installationId, revision })
    .first<Row | undefined>()
  return row ? mapStep(row) : null
}

/** Remembers which time of which installation an event is about. */
export async function insertNotice(
  db: Db,
  notice: { eventId: string; installationId: string; episode: number },
): Promise<void> {
  await db('stoa_installation_notices').insert({
    event_id: notice.eventId,
    installation_id: notice.installationId,
    episode: notice.episode,
  })
}

export async function findNotice(db: Db, eventId: string): Promise<{ installationId: string; episode: number } | null> {
  const row = await db('stoa_installation_notices').where({ event_id: eventId }).first<Row | undefined>()
  return row ? { installationId: text(row.installation_id), episode: integer(row.episode) } : null
}

function mapStep(row: Row): Step {
  return {
    revision: integer(row.revision),
    actor: { type: row.actor_kind as Actor['type'], id: maybeText(row.actor_id) },
    from: maybeText(row.from_status) as Status | null,
    to: row.to_status as Status,
    reason: maybeText(row.reason),
    time: iso(row.time),
  }
}
