import { environments, type Environment } from '../../context.ts'
import type { Db } from '../../database/index.ts'
import {
  Id,
  microsNumber,
  microsText,
  nowIso,
  Nullable,
  OneOf,
  Type,
  type Micros,
  type Static,
} from '../../kernel/index.ts'
import type { WalletContext } from '../context.ts'
import { amounts, ExactText } from '../exact.ts'
import { accountId, type NewAccount, type Wallet } from '../ledger/account.ts'
import { findOpenGrants } from '../ledger/grant-store.ts'
import { availableFor, type Grant } from '../ledger/grant.ts'
import { ownerOfWallet } from './wallet-owner.ts'

export const WalletShape = Type.Object({
  id: Id(),
  organizationId: Id(),
  locationId: Nullable(Id('Null for the organization’s own wallet.')),
  environment: OneOf(environments),
  currency: Type.String(),
  status: OneOf(['active', 'suspended']),
  statusReason: Nullable(Type.String(), { description: 'Why it is suspended.' }),
  level: OneOf(['ok', 'low', 'depleted']),
  balance: Type.Number(),
  available: Type.Number({
    description:
      'What any application could charge now; without grants whose time has not come, or that are for one application or meter.',
  }),
  held: Type.Number({ description: 'What holds reserve of the balance.' }),
  granted: Type.Number({ description: 'What of the balance is grants.' }),
  overdraft: Type.Number({ description: 'How far below zero it may go.' }),
  lowBalance: Nullable(Type.Number(), { description: 'Below this you are told that it is low.' }),
  exact: Type.Object({
    balance: ExactText,
    available: ExactText,
    held: ExactText,
    granted: ExactText,
    overdraft: ExactText,
    lowBalance: Nullable(ExactText),
  }),
})
type Shape = Static<typeof WalletShape>

/** Wallets as they are shown, with what is available in each. */
export async function walletShapes(ctx: WalletContext, db: Db, wallets: Wallet[]): Promise<Shape[]> {
  const granted = wallets.filter((wallet) => wallet.granted > 0n).map(({ id }) => id)
  const grants = await findOpenGrants(db, granted)
  return wallets.map((wallet) => shapeOf(ctx, wallet, grants.get(wallet.id) ?? []))
}

function shapeOf(ctx: WalletContext, wallet: Wallet, grants: Grant[]): Shape {
  const { id, environment, currency, status, statusReason, level, balance, held, granted, lowBalance } = wallet
  // An application that there is not: what is left is for every one.
  const available = availableFor(wallet, grants, { applicationId: '', meterId: '', time: nowIso(ctx.clock) })
  const money = amounts({ balance, available, held, granted, overdraft: overdraftOf(wallet.minBalance) })
  return {
    id,
    ...ownerOfWallet(wallet),
    environment,
    currency,
    status,
    statusReason,
    level,
    ...money,
    lowBalance: lowBalance === null ? null : microsNumber(lowBalance),
    exact: { ...money.exact, lowBalance: lowBalance === null ? null : microsText(lowBalance) },
  }
}

const overdraftOf = (minBalance: Micros | null): Micros => -(minBalance ?? 0n)

/** A wallet that nobody has put anything into yet, as the empty one it would be. */
export function emptyWallet(wallet: NewAccount & { environment: Environment }): Wallet {
  return {
    ...wallet,
    id: accountId(wallet),
    status: 'active',
    statusReason: null,
    balance: 0n,
    held: 0n,
    granted: 0n,
    minBalance: 0n,
    version: 0,
    head: '',
    level: 'ok',
    lowBalance: null,
    topUpBelow: null,
  }
}
