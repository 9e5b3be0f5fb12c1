import { ownedApplication } from '../../applications/index.ts'
import { defineOperation, reply, type Input, type Operation, type Reply } from '../../http/index.ts'
import { Id, microsText, nowIso, Type, type Micros, type Static } from '../../kernel/index.ts'
import type { WalletContext } from '../context.ts'
import { accountId, type AccountKey } from '../ledger/account.ts'
import { findAccount } from '../ledger/ledger-store.ts'
import { readEarnings, readWallet } from '../permissions.ts'
import { toCsv, type Cell } from './csv.ts'
import { accountStatement } from './account-statement.ts'
import type { Total } from './entry-totals.ts'
import { longestSumDays, readPeriod, type Period } from './period.ts'
import { ApplicationStatement, MarginStatement, StatementQuery, WalletStatement } from './statement-schemas.ts'
import { findWalletPeriod, listLines } from './statement-store.ts'

const tag = 'Statements'
const mostLines = 1000

/** What was booked in a month or a range of time. By the time of booking, so that a closed statement never changes. */
export function statementOperations(ctx: WalletContext): Operation[] {
  return [
    defineOperation({
      id: 'getWalletStatement',
      method: 'GET',
      path: '/wallet/statement',
      scope: 'target',
      surface: 'store',
      tag,
      summary: 'Get the statement of the wallet of the organization, or of the location the path names',
      description:
        'As JSON or CSV. In pages of lines: `next`, or the `Link` header with `rel="next"`, leads to those that follow. The CSV has ' +
        'the opening balance before the first line and the closing balance after the last.',
      permission: readWallet,
      query: Type.Object({
        ...StatementQuery,
        after: Type.Integer({
          minimum: 0,
          maximum: 2 ** 53 - 2,
          default: 0,
          description: 'Only lines with higher numbers.',
        }),
        limit: Type.Integer({ minimum: 1, maximum: mostLines, default: mostLines }),
      }),
      responses: { 200: WalletStatement },
      errors: ['validation_failed'],
      handler: async ({ caller, db, query, request }) => {
        const { organizationId, locationId, environment } = caller
        const period = readPeriod(query, nowIso(ctx.clock))
        const currency = query.currency ?? ctx.config.currency
        const key: AccountKey = {
          kind: 'wallet',
          ...(locationId === null
            ? { ownerType: 'organization', ownerId: organizationId }
            : { ownerType: 'location', ownerId: locationId }),
          environment,
          currency,
        }
        const wallet = (await findAccount(db, key)) ?? { id: accountId(key), version: 0 }
        const { first, end, opening, closing } = await findWalletPeriod(db, wallet, period)
        const from = Math.max(first, query.after + 1)
        const lines = await listLines(db, wallet.id, { from, end, limit: query.limit })
        const last = lines.at(-1)?.number ?? end - 1
        const statement = {
          organizationId,
          locationId,
          environment,
          currency,
          ...periodShape(period, opening, closing),
          lines: lines.map(({ amount, balance, ...line }) => ({
            ...line,
            amount: microsText(amount),
            balance: microsText(balance),
          })),
          next: last < end - 1 ? last : null,
        }
        return answer(request, query, statement, statement, () => walletCsv(statement, from <= first))
      },
    }),
    defineOperation({
      id: 'getApplicationStatement',
      method: 'GET',
      path: '/developers/applications/:id/statement',
      scope: 'organization',
      surface: 'author',
      tag,
      summary: 'Get the statement of what an application has earned',
      description:
        'As JSON or CSV. The balance is what the platform owed you: payouts take of it. Of a month, or of 31 days at most: a month that is ' +
        'over is summed once, and the first who asks for it may wait.',
      permission: readEarnings,
      params: Type.Object({ id: Id() }),
      query: Type.Object(StatementQuery),
      responses: { 200: ApplicationStatement },
      errors: ['not_found', 'validation_failed'],
      handler: async ({ caller, db, params: { id }, query, request }) => {
        await ownedApplication(db, caller, id)
        const { environment } = caller
        const period = readPeriod(query, nowIso(ctx.clock), longestSumDays)
        const at = { environment, currency: query.currency ?? ctx.config.currency }
        const payable = accountId({ kind: 'app_payable', ownerType: 'application', ownerId: id, ...at })
        const account = { id: payable, applicationId: id, ...at }
        const { opening, totals, meters } = await accountStatement(ctx, db, account, period)
        const statement: Static<typeof ApplicationStatement> = {
          applicationId: id,
          ...at,
          ...periodShape(period, opening, closingOf(opening, totals)),
          totals: byKind(totals),
          meters: meters.map(({ meterId, kind, count, units, amount, baseAmount, feeAmount }) => ({
            meterId,
            kind,
            count,
            units: microsText(units),
            paid: microsText(amount),
            base: microsText(baseAmount),
            fee: microsText(feeAmount),
            earned: microsText(baseAmount - feeAmount),
          })),
        }
        return answer(request, query, statement, statement, () => applicationCsv(statement))
      },
    }),
    defineOperation({
      id: 'getMarginStatement',
      method: 'GET',
      path: '/earnings/statement',
      scope: 'organization',
      surface: 'store',
      tag,
      summary: 'Get the statement of what the organization has earned by reselling',
      description: 'As JSON or CSV, of a month, or of 31 days at most.',
      permission: readEarnings,
      query: Type.Object(StatementQuery),
      responses: { 200: MarginStatement },
      errors: ['validation_failed'],
      handler: async ({ caller, db, query, request }) => {
        const { organizationId, environment } = caller
        const period = readPeriod(query, nowIso(ctx.clock), longestSumDays)
        const at = { environment, currency: query.currency ?? ctx.config.currency }
        const margin = accountId({ kind: 'margin', ownerType: 'organization', ownerId: organizationId, ...at })
        const account = { id: margin, applicationId: null, ...at }
        const { opening, totals } = await accountStatement(ctx, db, account, period)
        const statement = {
          organizationId,
          ...at,
          ...periodShape(period, opening, closingOf(opening, totals)),
          totals: totals.map(({ amount, ...total }) => ({ ...total, amount: microsText(amount) })),
        }
        return answer(request, query, statement, statement, () => marginCsv(statement))
      },
    }),
  ]
}

/** As the query or the Accept header wants it. Where the rest is, is told in the same way for both. */
function answer<Statement>(
  { headers, url, search }: Input<undefined, undefined, undefined>['request'],
  { format }: { format?: 'json' | 'csv' | undefined },
  statement: Statement,
  { from, next = null }: { from: string; next?: number | null },
  csv: () => string,
): Reply<Statement> {
  const parameters = new URLSearchParams(search)
  const link: Record<string, string> = {}
  if (next !== null) {
    parameters.set('after', String(next))
    link.Link = `<${url}?${parameters.toString()}>; rel="next"`
  }
  const wantsCsv = format === 'csv' || (format === undefined && headers.accept?.includes('text/csv') === true)
  if (!wantsCsv) return reply(200, statement, link)
  return reply(200, Buffer.from(csv()) as unknown as Statement, {
    'Content-Type': 'text/csv; charset=utf-8',
    'Content-Disposition': `attachment; filename="statement-${from.slice(0, 10)}.csv"`,
    ...link,
  })
}

function periodShape({ from, to, isClosed }: Period, opening: Micros, closing: Micros) {
  return { from, to, closed: isClosed, openingBalance: microsText(opening), closingBalance: microsText(closing) }
}

const closingOf = (opening: Micros, totals: Total[]): Micros =>
  totals.reduce((sum, { amount }) => sum + amount, opening)

function byKind(totals: Total[]): Static<typeof ApplicationStatement>['totals'] {
  const found = new Map<Total['kind'], { count: number; amount: Micros }>()
  for (const { kind, count, amount } of totals) {
    const known = found.get(kind) ?? { count: 0, amount: 0n }
    found.set(kind, { count: known.count + count, amount: known.amount + amount })
  }
  return [...found].map(([kind, { count, amount }]) => ({ kind, count, amount: microsText(amount) }))
}

function walletCsv(statement: Static<typeof WalletStatement>, isFirst: boolean): string {
  const names = ['number', 'bookedTime', 'eventTime', 'kind', 'transactionId', 'referenceId', 'applicationId'] as const
  const balance = (time: string, kind: string, amount: string): Cell[] => [
    null,
    time,
    null,
    kind,
    ...Array<null>(5).fill(null),
    amount,
  ]
  const rows = statement.lines.map((line): Cell[] => [
    ...names.map((name) => line[name]),
    line.description,
    line.amount,
    line.balance,
  ])
  const opening = isFirst ? [balance(statement.from, 'opening-balance', statement.openingBalance)] : []
  const closing = statement.next === null ? [balance(statement.to, 'closing-balance', statement.closingBalance)] : []
  return toCsv([...names, 'description', 'amount', 'balance'], [...opening, ...rows, ...closing])
}

function applicationCsv(statement: Static<typeof ApplicationStatement>): string {
  const balance = (kind: string, amount: string): Cell[] => [kind, ...Array<null>(7).fill(null), amount]
  return toCsv(
    ['kind', 'meterId', 'count', 'units', 'paid', 'base', 'fee', 'amount', 'balance'],
    [
      balance('opening-balance', statement.openingBalance),
      ...statement.totals.map(({ kind, count, amount }): Cell[] => [
        kind,
        null,
        count,
        null,
        null,
        null,
        null,
        amount,
        null,
      ]),
      ...statement.meters.map(({ meterId, kind, count, units, paid, base, fee, earned }): Cell[] => [
        `meter-${kind}`,
        meterId,
        count,
        units,
        paid,
        base,
        fee,
        earned,
        null,
      ]),
      balance('closing-balance', statement.closingBalance),
    ],
  )
}

function marginCsv(statement: Static<typeof MarginStatement>): string {
  const balance = (kind: string, amount: string): Cell[] => [kind, null, null, null, amount]
  return toCsv(
    ['kind', 'applicationId', 'count', 'amount', 'balance'],
    [
      balance('opening-balance', statement.openingBalance),
      ...statement.totals.map(({ kind, applicationId, count, amount }): Cell[] => [
        kind,
        applicationId,
        count,
        amount,
        null,
      ]),
      balance('closing-balance', statement.closingBalance),
    ],
  )
}
