import { integer, text, type Db, type Row } from '../../database/index.ts'
import { createSchemaCompiler, StoaError, Type, type Static } from '../../kernel/index.ts'
import type { Findings } from './findings.ts'
import { pageSize, readPages } from './read-pages.ts'

const HeadShape = Type.Object({
  account: Type.String(),
  version: Type.Integer({ minimum: 1 }),
  hash: Type.String({ minLength: 1 }),
})

/** The last entry of an account's chain at some time. Its hash stands for all that the account had seen until then. */
export type Head = Static<typeof HeadShape>

/** Of every account that has entries. */
export function readHeads(db: Db): AsyncGenerator<Head[]> {
  return readPages(async (after: Head | null) => {
    const rows = (await db('stoa_ledger_accounts')
      .where('version', '>', 0)
      .where('id', '>', after?.account ?? '')
      .orderBy('id')
      .limit(pageSize)
      .select('id', 'version', 'head')) as Row[]
    return rows.map(({ id, version, head }) => ({ account: text(id), version: integer(version), hash: text(head) }))
  })
}

/**
 * That every head somebody kept is still in its chain; returns how many were compared. Chains show a changed line only to who knows what came after it: cutting off the
 * end, or writing everything anew, leaves chains that are right in themselves, and is found by this alone.
 */
export async function checkHeads(db: Db, found: Findings, kept: AsyncIterable<Head>): Promise<number> {
  let page: Head[] = []
  let count = 0
  for await (const head of kept) {
    count++
    page.push(head)
    if (page.length === pageSize) await comparePage(db, found, page.splice(0))
  }
  await comparePage(db, found, page)
  return count
}

async function comparePage(db: Db, found: Findings, heads: Head[]): Promise<void> {
  if (heads.length === 0) return
  // A row value of each; all of them come from the index of the chains.
  const rows = (await db('stoa_ledger_entries')
    .whereNotNull('account_version')
    .whereIn(
      ['account_id', 'account_version'],
      heads.map(({ account, version }): [string, number] => [account, version]),
    )
    .select('account_id', 'account_version', 'hash')) as Row[]
  const hashes = new Map(rows.map((row) => [`${text(row.account_id)}@${integer(row.account_version)}`, text(row.hash)]))
  for (const { account, version, hash } of heads) {
    const now = hashes.get(`${account}@${version}`)
    if (now === hash) continue
    const what = now === undefined ? 'is cut off: it has no entry' : 'was rewritten: it has another entry'
    found.add('heads', `the chain of ${account} ${what} at version ${version}, which was kept with hash ${hash}`)
  }
}

const validate = createSchemaCompiler().response(HeadShape)

/** @throws StoaError `validation_failed` for a line that is none, with its number. */
export function readHeadLine(line: string, number: number): Head {
  let value: unknown
  try {
    value = JSON.parse(line)
  } catch {
    value = null
  }
  if (validate(value)) throw new StoaError('validation_failed', { message: `Line ${number} of the heads is no head.` })
  const { account, version, hash } = value as Head
  return { account, version, hash }
}
