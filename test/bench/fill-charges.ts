import type { Database } from '../../core/src/database/index.ts'

const chunk = 50_000

/**
 * Copies of a location's charge, and of its lines in the ledger, until the location has `total` of them: all at once, since charging for
 * a million would take longer than everything else. The books are not right afterwards, which measures nothing.
 */
export async function fillCharges({ knex: db, dialect }: Database, locationId: string, total: number): Promise<void> {
  const first = (await db('stoa_charges').where({ location_id: locationId, seq: 0 }).orderBy('id').first()) as Record<
    string,
    unknown
  >
  const [{ count } = { count: 0 }] = (await db('stoa_charges')
    .where({ location_id: locationId })
    .count({ count: '*' })) as { count: unknown }[]
  const numbers = (from: number, to: number) =>
    dialect.name === 'sqlite'
      ? `with recursive series(n) as (select ${from} union all select n + 1 from series where n < ${to})`
      : `with series as (select n::bigint as n from generate_series(${from}, ${to}) as n)`
  const digits = dialect.name === 'sqlite' ? `printf('%021d', n)` : `lpad(n::text, 21, '0')`
  const time = dialect.name === 'sqlite' ? `'2020-01-01T00:00:00.000Z'` : `timestamptz '2020-01-01T00:00:00.000Z'`
  const copies: [string, string, Record<string, string>][] = [
    [
      'stoa_charges',
      `id = '${String(first.id)}' and seq = 0`,
      {
        id: `'chg_00000000000' || ${digits}`,
        event_id: `'filled-' || n`,
        transaction_id: `'txn_00000000000' || ${digits}`,
        created_time: time,
        event_time: time,
      },
    ],
    ['stoa_ledger_transactions', `id = '${String(first.transaction_id)}'`, { id: `'txn_00000000000' || ${digits}` }],
    [
      'stoa_ledger_entries',
      `transaction_id = '${String(first.transaction_id)}' and account_version is null`,
      { transaction_id: `'txn_00000000000' || ${digits}` },
    ],
  ]
  for (let from = Number(count); from < total; from += chunk) {
    const to = Math.min(from + chunk, total) - 1
    for (const [table, where, changed] of copies) {
      const columns = Object.keys((await db(table).first()) as object)
      const values = columns.map((column) => changed[column] ?? `copied.${column}`)
      await db.raw(
        `insert into ${table} (${columns.join(', ')}) ${numbers(from, to)}
         select ${values.join(', ')} from series, ${table} as copied where ${where}`,
      )
    }
  }
  await db.raw('analyze')
}
