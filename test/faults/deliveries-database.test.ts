import { createRequire } from 'node:module'
import { afterAll, describe, expect, it } from 'vitest'
import type Sqlite from 'better-sqlite3'
import { isDatabaseUnavailable } from '../../core/src/database/index.ts'
import { publishMany } from '../../core/src/events/index.ts'
import { lockFromAnotherProcess } from '../database/support.ts'
import { arrivedIds, chargeEvent, openEvents, openReceiver, until, type OpenedEvents } from '../events/support.ts'
import { eachDatabase, sqliteUrl, type TestDatabase } from '../support/databases.ts'
import { startPostgres } from '../support/postgres-server.ts'

const aLittle = (milliseconds = 150) => new Promise((resolve) => setTimeout(resolve, milliseconds))
const allDelivered = async ({ deliveries }: OpenedEvents) =>
  (await deliveries()).every(({ state }) => state === 'delivered')
const couldNotBeKept = ({ complaints }: OpenedEvents) =>
  complaints.some(({ message }) => /could not be kept; trying again/.test(message))

const publishLots = ({ ctx }: OpenedEvents) =>
  ctx.db.transaction((trx) =>
    publishMany(
      ctx,
      trx,
      Array.from({ length: 500 }, () => chargeEvent()),
    ),
  )

/** One try under way whose receiver answers when it is told to, with as much text as is kept. */
async function sendOne(database: TestDatabase) {
  const opened = await openEvents(database)
  const receiver = await openReceiver()
  await opened.addEndpoint({ url: receiver.url })
  let answer: () => void = () => undefined
  receiver.answer((response, index) => {
    if (index > 0) response.writeHead(204).end()
    else answer = () => response.writeHead(200).end('x'.repeat(4096))
  })
  opened.dispatch()
  const id = await opened.publish()
  await until(() => receiver.received.length === 1)
  return { opened, receiver, id, answer: () => answer() }
}

type Trouble = 'is full' | 'can only be read' | 'lets another transaction win'

/** Makes the database refuse to be written to; returns what ends that. */
async function refuseWrites(
  { ctx: { db } }: OpenedEvents,
  kind: string,
  trouble: Trouble,
): Promise<() => Promise<void>> {
  const run = async (...statements: string[]) => {
    for (const statement of statements) await db.raw(statement)
  }
  if (kind === 'sqlite') {
    if (trouble === 'can only be read') {
      await run('pragma query_only = 1')
      return () => run('pragma query_only = 0')
    }
    // To the last free page: the limit keeps the file from growing, and room that is left in it would still be used.
    await run('create table filler (content)', 'pragma max_page_count = 1')
    for (const bytes of [2000, 100, 1]) {
      await expect(
        (async () => {
          for (;;) await run(`insert into filler values (zeroblob(${bytes}))`)
        })(),
      ).rejects.toMatchObject({ code: 'SQLITE_FULL' })
    }
    return () => run('pragma max_page_count = 1000000000')
  }
  if (trouble === 'can only be read') {
    const { rows } = (await db.raw('select current_database() as name')) as { rows: { name: string }[] }
    const others = `select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()`
    await run(`alter database ${rows[0]!.name} set default_transaction_read_only = on`, others)
    // The connection that said so is still one that writes.
    await db.raw('set default_transaction_read_only = on')
    return async () => {
      await db.transaction(
        (trx) =>
          trx.raw(
            `set transaction read write; alter database ${rows[0]!.name} set default_transaction_read_only = off`,
          ),
        { readOnly: false },
      )
      await run(others, 'set default_transaction_read_only = off')
    }
  }
  const code = trouble === 'is full' ? '53100' : '40001'
  await run(
    `create function refuse() returns trigger language plpgsql as $$ begin raise exception 'refused' using errcode = '${code}'; end $$`,
    'create trigger refuse before insert on stoa_delivery_attempts for each row execute function refuse()',
    'create trigger refuse before insert on stoa_events for each row execute function refuse()',
  )
  return () => run('drop function refuse() cascade')
}

eachDatabase((database) => {
  const troubles: Trouble[] = ['is full', 'can only be read']
  if (database.kind === 'postgres') troubles.push('lets another transaction win')

  it.each(troubles)(
    'keeps the result of a try whose end falls into a time when the database %s',
    async (trouble) => {
      const { opened, receiver, id, answer } = await sendOne(database)
      const heal = await refuseWrites(opened, database.kind, trouble)
      answer()
      await until(() => couldNotBeKept(opened))
      const refusal: unknown = await publishLots(opened).catch((error: unknown) => error)
      expect(isDatabaseUnavailable(refusal), String(refusal)).toBe(true)
      await heal()

      await until(() => allDelivered(opened))
      const second = await opened.publish()
      await until(() => receiver.received.length === 2)
      await until(() => allDelivered(opened))
      // Sent once, and nothing of what was refused is there.
      expect(arrivedIds(receiver)).toEqual([id, second].sort())
      expect(await opened.attempts()).toMatchObject([
        { n: 1, outcome: 'success' },
        { n: 1, outcome: 'success' },
      ])
    },
    60_000,
  )

  it('waits for a connection while others have all of them', async () => {
    const { opened, receiver, answer } = await sendOne(database)
    const { max } = opened.ctx.db.client.config.pool as { max: number }
    const held = await Promise.all(Array.from({ length: max }, () => opened.ctx.db.transaction()))
    answer()
    await aLittle(1000)
    for (const trx of held) await trx.rollback()

    await until(() => allDelivered(opened))
    expect(receiver.received).toHaveLength(1)
    expect(await opened.attempts()).toMatchObject([{ n: 1, outcome: 'success' }])
  }, 30_000)

  it('finds by itself what nobody told it of', async () => {
    const opened = await openEvents(database)
    const receiver = await openReceiver()
    await opened.addEndpoint({ url: receiver.url })
    opened.dispatch()
    opened.ctx.signals.removeAllListeners('deliveries-due')
    await aLittle()
    const id = await opened.publish()
    await until(() => receiver.received.length === 1)
    expect(arrivedIds(receiver)).toEqual([id])
  })
})

describe('a SQLite file', () => {
  const database: TestDatabase = {
    kind: 'sqlite',
    create: () => Promise.resolve({ url: sqliteUrl(), drop: () => Promise.resolve() }),
  }

  it('that another process has locked for a while loses no result, and is sent from again when it is free', async () => {
    const { opened, receiver, id, answer } = await sendOne(database)
    const waiting = await opened.publish()
    const { release } = await lockFromAnotherProcess(opened.url)
    answer()
    await until(() => couldNotBeKept(opened))
    await expect(opened.publish()).rejects.toMatchObject({ code: 'SQLITE_BUSY' })
    await release()

    await until(() => allDelivered(opened))
    expect(arrivedIds(receiver)).toEqual([id, waiting].sort())
    expect(await opened.attempts()).toHaveLength(2)
  }, 60_000)

  it('that somebody reads all the while, so that its log cannot be emptied, is sent from all the same', async () => {
    const opened = await openEvents(database)
    const receiver = await openReceiver()
    await opened.addEndpoint({ url: receiver.url })
    const Database = createRequire(import.meta.url)('better-sqlite3') as typeof Sqlite
    const reader = new Database(opened.url, { readonly: true })
    reader.exec('begin')
    reader.prepare('select count(*) from stoa_events').get()
    opened.dispatch()
    await publishLots(opened)
    await until(() => allDelivered(opened))
    reader.exec('commit')
    reader.close()

    const [emptied] = (await opened.ctx.db.raw('pragma wal_checkpoint(truncate)')) as { busy: bigint }[]
    expect(emptied!.busy).toBe(0n)
    expect(receiver.received).toHaveLength(500)
    expect(await opened.attempts()).toHaveLength(500)
  }, 60_000)
})

describe('a PostgreSQL', () => {
  const server = startPostgres()
  afterAll(async () => (await server).stop(), 60_000)

  it.each(['stop', 'crash'] as const)(
    'that is restarted under load by %s loses nothing, and all of it arrives',
    async (how) => {
      const { url, restart } = await server
      const opened = await openEvents({
        kind: 'postgres',
        create: () => Promise.resolve({ url: `${url}/postgres`, drop: () => Promise.resolve() }),
      })
      const receiver = await openReceiver()
      receiver.answer((response) => setTimeout(() => response.writeHead(204).end(), 5))
      await opened.addEndpoint({ url: receiver.url })
      opened.dispatch()
      const committed: string[] = []
      let isRunning = true
      let refused = 0
      const publishers = Array.from({ length: 4 }, async () => {
        while (isRunning) {
          try {
            committed.push(await opened.publish())
          } catch (error) {
            expect(isDatabaseUnavailable(error), String(error)).toBe(true)
            refused++
            await aLittle(20)
          }
        }
      })
      await until(() => receiver.received.length > 50)
      await restart(how)
      const before = receiver.received.length
      await until(() => receiver.received.length > before + 50)
      isRunning = false
      await Promise.all(publishers)
      // What was under way, of which the outcome could not be kept.
      await until(async () => {
        opened.clock.advance(61)
        await aLittle()
        return allDelivered(opened)
      })

      expect(refused).toBeGreaterThan(0)
      const stored = (await opened.ctx.db('stoa_events').select('id')) as { id: string }[]
      // Not every commit whose answer was cut off failed.
      expect([...new Set(arrivedIds(receiver))]).toEqual(stored.map(({ id }) => id).sort())
      expect(stored.map(({ id }) => id)).toEqual(expect.arrayContaining(committed))
      // A database of its own for the other way to restart.
      await opened.ctx.db.raw('drop schema public cascade; create schema public')
    },
    120_000,
  )
})
