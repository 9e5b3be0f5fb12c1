import { boolean, integer, iso, maybeIso, text, type Db, type Row } from '../database/index.ts'

const table = 'stoa_deliveries'

/** An endpoint that has something waiting, with what decides when it may be sent. */
export interface Waiting {
  endpointId: string
  /** When its first is due by its own schedule. */
  dueTime: string
  /** Not before: the first that is due, a rate limit, an open breaker. */
  nextTime: string
  updatedTime: string
  deleted: boolean
  fifo: boolean
  /** Tries under way at once; null for the host's own number. */
  concurrency: number | null
  /** A rate limit, a limit of concurrency or an open breaker: how much may be taken is to be asked when it is. */
  limited: boolean
}

/**
 * Endpoints that have something waiting, the longest due first: active ones, and deleted ones, where something is left that an
 * event which was being published meanwhile had put there. A walk from endpoint to endpoint through the partial index: its
 * cost grows with the endpoints that wait, not with what they wait for, so the backlog of one costs the others nothing.
 */
export async function findWaitingEndpoints(db: Db): Promise<Waiting[]> {
  const first = (after: string) =>
    `(select d.endpoint_id from ${table} d where d.state = 'pending' ${after} order by d.endpoint_id, d.next_time limit 1)`
  const ofEndpoint = `from ${table} d where d.state = 'pending' and d.endpoint_id = e.id`
  const result: unknown = await db.raw(`
    with recursive waiting(endpoint_id) as (
      select ${first('')}
      union all
      select ${first('and d.endpoint_id > waiting.endpoint_id')} from waiting where waiting.endpoint_id is not null
    )
    select e.id, e.updated_time, e.deleted_time, e.fifo, e.concurrency, e.rate_limit, e.rate_time, e.breaker, e.breaker_until,
      case when e.fifo then coalesce(
        (select d.next_time ${ofEndpoint} and d.fifo order by d.id limit 1),
        (select min(d.next_time) ${ofEndpoint}))
      else (select min(d.next_time) ${ofEndpoint}) end as next_time
    from waiting join stoa_webhook_endpoints e on e.id = waiting.endpoint_id
    where (e.status = 'ACTIVE' and e.transport = 'http') or e.deleted_time is not null`)
  const rows = (Array.isArray(result) ? result : (result as { rows: Row[] }).rows) as Row[]
  // Between the two looks into the index a last delivery may have been finished.
  return rows
    .filter((row) => row.next_time !== null)
    .map(mapWaiting)
    .sort((a, b) => (a.nextTime < b.nextTime ? -1 : 1))
}

function mapWaiting(row: Row): Waiting {
  const open = row.breaker === 'open'
  const times = [iso(row.next_time), open ? maybeIso(row.breaker_until) : null]
  if (row.rate_limit !== null) times.push(maybeIso(row.rate_time))
  return {
    endpointId: text(row.id),
    dueTime: iso(row.next_time),
    nextTime: times.reduce<string>((latest, time) => (time !== null && time > latest ? time : latest), ''),
    updatedTime: iso(row.updated_time),
    deleted: row.deleted_time !== null,
    fifo: boolean(row.fifo),
    concurrency: row.concurrency === null ? null : integer(row.concurrency),
    limited: open || row.rate_limit !== null || row.concurrency !== null,
  }
}
