import { environments } from '../../context.ts'
import { assertMayActIn } from '../assert-may-act-in.ts'
import { defineOperation, type Operation } from '../../http/index.ts'
import { Id, microsText, Nullable, nowIso, OneOf, Time, Type, type Micros, type Static } from '../../kernel/index.ts'
import type { WalletContext } from '../context.ts'
import { ExactText, StorableText } from '../exact.ts'
import { transactionKinds, type Posting } from '../ledger/ledger.ts'
import { exportLedger } from '../permissions.ts'
import { readJournalPage } from '../ledger/read-journal.ts'
import { settlingMilliseconds } from './start-payout-run.ts'

const ExportedTransaction = Type.Object({
  id: Id(),
  kind: OneOf(transactionKinds),
  referenceId: Type.String(),
  reversesId: Nullable(Id()),
  applicationId: Nullable(Id()),
  environment: OneOf(environments),
  currency: Type.String(),
  actor: Type.String(),
  description: Nullable(Type.String()),
  bookedTime: Time(),
  eventTime: Time(),
  entries: Type.Array(
    Type.Object({
      seq: Type.Integer(),
      accountId: Id(),
      amount: ExactText,
      balanceAfter: Nullable(ExactText),
      accountVersion: Nullable(Type.Integer()),
      hash: Nullable(Type.String()),
    }),
  ),
})

/** The whole ledger, for those who keep books or a copy of it. */
export function exportOperations(ctx: WalletContext): Operation[] {
  return [
    defineOperation({
      id: 'exportLedger',
      method: 'GET',
      path: '/platform/ledger/export',
      surface: 'platform',
      tag: 'Revenue',
      summary: 'Read the ledger from the beginning, transaction by transaction',
      description:
        'In the order of their ids, of all environments and currencies. Ask again with `after` = `next` until it is null, and with the ' +
        'last id you have for what came since. What was booked in the last minute is left for later, because a transaction with a lower ' +
        'id may still be open.',
      permission: exportLedger,
      query: Type.Object({
        after: Type.Optional(StorableText(50, 'The id of the last transaction that you have.')),
        limit: Type.Integer({ minimum: 1, maximum: 1000, default: 500 }),
      }),
      responses: {
        200: Type.Object({
          transactions: Type.Array(ExportedTransaction),
          next: Type.Union([Type.String(), Type.Null()], { description: 'Null when there is no more for now.' }),
        }),
      },
      errors: ['rights_exceeded'],
      handler: async ({ caller, db, query: { after, limit } }) => {
        // There is one ledger, of both environments.
        assertMayActIn(caller, 'production')
        const page = await readJournalPage(db, { after: after ?? null, limit })
        const settled = new Date(Date.parse(nowIso(ctx.clock)) - settlingMilliseconds).toISOString()
        const open = page.findIndex(({ transaction }) => transaction.bookedTime > settled)
        const done = open === -1 ? page : page.slice(0, open)
        const isFull = done.length === limit
        return { transactions: done.map(exported), next: isFull ? done.at(-1)!.transaction.id : null }
      },
    }),
  ]
}

const exact = (micros: Micros | null) => (micros === null ? null : microsText(micros))

function exported({ transaction, entries }: Posting): Static<typeof ExportedTransaction> {
  return {
    ...transaction,
    entries: entries.map(({ seq, accountId, amount, balanceAfter, accountVersion, hash }) => ({
      seq,
      accountId,
      amount: microsText(amount),
      balanceAfter: exact(balanceAfter),
      accountVersion,
      hash,
    })),
  }
}
