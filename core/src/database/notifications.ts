import type { Client } from 'pg'
import type { Knex } from 'knex'
import type { Dialect } from './dialect.ts'

/** Hints between processes that share a database. They may be lost or late: whoever listens looks by itself as well. */
export interface Notifications {
  /** Tells the other processes, soon and once for whatever is said in the meantime. Outside of any transaction. */
  notify(topic: string): void
  /** Begins to hear what others tell. */
  listen(hear: (topic: string) => void): void
  stop(): Promise<void>
}

const channel = 'stoa'
const gatherMilliseconds = 10
const leastPause = 500
const mostPause = 30_000
const pingMilliseconds = 20_000

const silent: Notifications = { notify() {}, listen() {}, stop: () => Promise.resolve() }

/**
 * PostgreSQL's LISTEN and NOTIFY, on a connection of its own. Not inside the transactions that are told of: a NOTIFY makes
 * their commits wait for each other, all over the database.
 */
export function createNotifications(
  db: Knex,
  dialect: Dialect,
  complain: (error: unknown, sentence: string) => void,
): Notifications {
  if (!dialect.manyProcesses) return silent
  const sender = Math.random().toString(36).slice(2)
  const topics = new Set<string>()
  let gathering: NodeJS.Timeout | null = null
  let sending: Promise<void> = Promise.resolve()
  let ear: Ear | null = null

  async function send(): Promise<void> {
    gathering = null
    const message = `${sender} ${[...topics].join(' ')}`
    topics.clear()
    try {
      // Nobody waits for a hint to reach the disk.
      await db.raw(`select set_config('synchronous_commit', 'off', true), pg_notify(?, ?)`, [channel, message])
    } catch (error) {
      complain(error, 'other processes could not be told; they will find out by themselves')
    }
  }

  return {
    notify(topic) {
      topics.add(topic)
      gathering ??= setTimeout(() => {
        sending = send()
      }, gatherMilliseconds)
    },
    listen(hear) {
      ear ??= openEar(db, complain, (message) => {
        const [from, ...told] = message.split(' ')
        if (from !== sender) for (const topic of told) hear(topic)
      })
    },
    async stop() {
      if (gathering) clearTimeout(gathering)
      gathering = null
      await Promise.all([sending, ear?.close()])
      ear = null
    },
  }
}

interface Ear {
  close(): Promise<void>
}

/** Keeps one connection listening, and opens another when it is gone. */
function openEar(db: Knex, complain: (error: unknown, sentence: string) => void, hear: (message: string) => void): Ear {
  let closing = false
  let wake: () => void = () => undefined
  const pause = (milliseconds: number) =>
    new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, milliseconds)
      wake = () => {
        clearTimeout(timer)
        resolve()
      }
    })

  async function listenUntilGone(client: Client): Promise<void> {
    let gone = false
    client.on('error', () => {
      gone = true
      wake()
    })
    client.on('notification', ({ payload }) => hear(payload ?? ''))
    await client.query(`listen ${channel}`)
    // A peer that vanished is only noticed by asking it something.
    while (!gone && !closing) {
      await pause(pingMilliseconds)
      if (!gone && !closing) await client.query('select 1')
    }
  }

  async function run(): Promise<void> {
    for (let wait = leastPause; !closing; wait = Math.min(mostPause, 2 * wait)) {
      let client: Client | null = null
      try {
        client = (await (db.client as Knex.Client).acquireRawConnection()) as Client
        const began = Date.now()
        await listenUntilGone(client)
        if (Date.now() - began > mostPause) wait = leastPause
      } catch (error) {
        if (!closing) complain(error, 'listening to other processes failed; it will be tried again')
      }
      await client?.end().catch(() => undefined)
      if (!closing) await pause(wait)
    }
  }

  const running = run()
  return {
    async close() {
      closing = true
      wake()
      await running
    },
  }
}
