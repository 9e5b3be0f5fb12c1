import type { Knex } from 'knex'
import type pg from 'pg'

/**
 * What a connection to PostgreSQL does not wait longer for, in milliseconds: without them one stuck peer that holds one row
 * would hang every charge for ever. An operator's URL may say otherwise (`?statement_timeout=60000`). They travel as startup
 * parameters, so PgBouncer needs `ignore_startup_parameters` for the first three.
 */
export const postgresTimeouts = {
  lock_timeout: 3000,
  idle_in_transaction_session_timeout: 10_000,
  statement_timeout: 15_000,
  // The client's own, for a server that does not answer at all; longer, so that a living server ends its query itself.
  query_timeout: 20_000,
  keepAlive: true,
}

/**
 * pg gives up a query that is not answered, but not its connection, on which the ROLLBACK and everybody who gets it from the
 * pool next would wait as long again. What a pool needs in order to close it instead.
 */
export function closeUnanswered() {
  const closed = new WeakSet<pg.Client>()
  return {
    afterCreate(connection: pg.Client, done: (error: Error | null) => void): void {
      const query = connection.query.bind(connection) as (config: unknown, callback?: Callback) => unknown
      const watched = (config: unknown, callback?: Callback) =>
        callback
          ? query(config, (error, result) => {
              if (error?.message === 'Query read timeout') {
                closed.add(connection)
                connection.end().catch(() => undefined)
              }
              callback(error, result)
            })
          : query(config)
      connection.query = watched as typeof connection.query
      done(null)
    },
    validate: (connection: pg.Client): boolean => !closed.has(connection),
  }
}
type Callback = (error: Error | null, result: unknown) => void

/** Runs `work` in one transaction that may take as long as it needs and wait for others as long as they need. */
export async function patientTransaction<T>(knex: Knex, work: (trx: Knex.Transaction) => Promise<T>): Promise<T> {
  const client = knex.client as {
    acquireConnection(): Promise<{ connectionParameters: { query_timeout: unknown } }>
    releaseConnection(connection: unknown): Promise<void>
  }
  const connection = await client.acquireConnection()
  const parameters = connection.connectionParameters
  const usual = parameters.query_timeout
  parameters.query_timeout = false
  try {
    return await knex.transaction(
      async (trx) => {
        for (const name of ['lock_timeout', 'statement_timeout', 'idle_in_transaction_session_timeout']) {
          await trx.raw(`set local ${name} = 0`)
        }
        return work(trx)
      },
      { connection },
    )
  } finally {
    parameters.query_timeout = usual
    await client.releaseConnection(connection)
  }
}
