import { environments } from '../../context.ts'
import {
  createSchemaCompiler,
  microsText,
  Nullable,
  OneOf,
  StoaError,
  toMicros,
  Type,
  type Static,
} from '../../kernel/index.ts'
import type { AccountKind, NewAccount } from '../ledger/account.ts'
import { transactionKinds, type Posting } from '../ledger/ledger.ts'

const kinds: AccountKind[] = [
  'wallet',
  'app_payable',
  'margin',
  'platform_fee',
  'topup_clearing',
  'promotion',
  'adjustment',
  'breakage',
  'payout_clearing',
]
const MaybeText = Nullable(Type.String())

/** An account and what it came to when the journal was exported. */
const AccountLine = Type.Object({
  type: Type.Literal('account'),
  id: Type.String(),
  kind: OneOf(kinds),
  ownerType: OneOf(['organization', 'location', 'application', 'platform']),
  ownerId: Type.String(),
  organizationId: MaybeText,
  environment: OneOf(environments),
  currency: Type.String(),
  balance: Type.String({ description: 'Decimal text; of an account without a chain the sum of its entries.' }),
  minBalance: Nullable(Type.String(), { description: 'How far down it may go now; null without a limit.' }),
  version: Nullable(Type.Integer()),
  head: MaybeText,
})

/** A transaction with its entries; amounts are decimal text. */
const TransactionLine = Type.Object({
  type: Type.Literal('transaction'),
  id: Type.String(),
  kind: OneOf(transactionKinds),
  referenceId: Type.String(),
  reversesId: MaybeText,
  applicationId: MaybeText,
  environment: OneOf(environments),
  currency: Type.String(),
  actor: Type.String(),
  description: MaybeText,
  bookedTime: Type.String(),
  eventTime: Type.String(),
  entries: Type.Array(
    Type.Object({
      seq: Type.Integer(),
      accountId: Type.String(),
      amount: Type.String(),
      balanceAfter: MaybeText,
      accountVersion: Nullable(Type.Integer()),
      hash: MaybeText,
    }),
  ),
})

/** An account of an exported journal, in micro-units. */
export interface JournalAccount extends NewAccount {
  id: string
  balance: bigint
  /** How far down it may go: no part of the journal, because it changes without a transaction. */
  minBalance: bigint | null
  version: number | null
  head: string | null
}

export type JournalItem = { account: JournalAccount } | { posting: Posting }

/** A line of NDJSON, without its end. */
export function writeJournalLine(item: JournalItem): string {
  if ('account' in item) {
    const { balance, minBalance, ...account } = item.account
    const limit = minBalance === null ? null : microsText(minBalance)
    const line: Static<typeof AccountLine> = {
      type: 'account',
      ...account,
      balance: microsText(balance),
      minBalance: limit,
    }
    return JSON.stringify(line)
  }
  const { transaction, entries } = item.posting
  const line: Static<typeof TransactionLine> = {
    type: 'transaction',
    ...transaction,
    entries: entries.map(({ seq, accountId, amount, balanceAfter, accountVersion, hash }) => ({
      seq,
      accountId,
      amount: microsText(amount),
      balanceAfter: balanceAfter === null ? null : microsText(balanceAfter),
      accountVersion,
      hash,
    })),
  }
  return JSON.stringify(line)
}

const compiler = createSchemaCompiler()
const checks = { account: compiler.response(AccountLine), transaction: compiler.response(TransactionLine) }

/** @throws StoaError `validation_failed` for a line that is none of a journal, with its number. */
export function readJournalLine(line: string, number: number): JournalItem {
  const value = parse(line, number)
  const { type } = (value ?? {}) as { type?: unknown }
  if (type !== 'account' && type !== 'transaction') throw malformed(number, 'is neither an account nor a transaction')
  const refusal = checks[type](value)
  if (refusal)
    throw malformed(
      number,
      `is no ${type}: ${refusal.fields.map(({ field, message }) => `${field} ${message}`).join('; ')}`,
    )
  const exact = (text: string) => {
    const micros = toMicros(text)
    if (micros === null) throw malformed(number, `has an amount that is none, ${text}`)
    return micros
  }
  if (type === 'account') {
    const { type: _, ...account } = value as Static<typeof AccountLine>
    const minBalance = account.minBalance === null ? null : exact(account.minBalance)
    return { account: { ...account, balance: exact(account.balance), minBalance } }
  }
  const { type: _, entries, ...transaction } = value as Static<typeof TransactionLine>
  const { id: transactionId, bookedTime } = transaction
  return {
    posting: {
      transaction,
      entries: entries.map((entry) => ({
        ...entry,
        transactionId,
        bookedTime,
        amount: exact(entry.amount),
        balanceAfter: entry.balanceAfter === null ? null : exact(entry.balanceAfter),
      })),
    },
  }
}

function parse(line: string, number: number): unknown {
  try {
    return JSON.parse(line)
  } catch {
    throw malformed(number, 'is no JSON')
  }
}

const malformed = (number: number, why: string) =>
  new StoaError('validation_failed', { message: `Line ${number} of the journal ${why}.` })
