import type { NewEvent } from '../../events/index.ts'
import { microsText } from '../../kernel/index.ts'
import type { Account, BalanceLevel } from './account.ts'

const order: BalanceLevel[] = ['depleted', 'low', 'ok']

/** How full a wallet is, by what no hold reserves. */
function levelOf({ balance, held, minBalance, lowBalance }: Account): BalanceLevel {
  const free = balance - held
  if (free <= (minBalance ?? 0n)) return 'depleted'
  return lowBalance !== null && free < lowBalance ? 'low' : 'ok'
}

export function settleLevels(accounts: Account[]): void {
  for (const account of accounts) if (account.kind === 'wallet') account.level = levelOf(account)
}

/** What owners of wallets are told when one has got emptier or fuller: once for each step, however many charges made it. */
export function levelChanges(before: ReadonlyMap<string, Account>, changed: Account[], now: string): NewEvent[] {
  return changed.flatMap((account) => {
    const former = before.get(account.id)!
    if (former.level === account.level || account.organizationId === null) return []
    const rises = order.indexOf(account.level) > order.indexOf(former.level)
    const type = rises
      ? ('wallet.recovered' as const)
      : account.level === 'low'
        ? ('wallet.low-balance' as const)
        : ('wallet.depleted' as const)
    return [walletEvent(type, account, now)]
  })
}

/** An event of a wallet, as its organization receives it. */
export function walletEvent<Type extends `wallet.${string}` & NewEvent['type']>(
  type: Type,
  wallet: Account,
  now: string,
): NewEvent {
  const { organizationId, environment, currency, balance, held, minBalance, lowBalance, level, status } = wallet
  const locationId = wallet.ownerType === 'location' ? wallet.ownerId : null
  const data = {
    walletId: wallet.id,
    organizationId,
    locationId,
    environment,
    currency,
    balance: microsText(balance),
    available: microsText(balance - held - (minBalance ?? 0n)),
    lowBalance: lowBalance === null ? null : microsText(lowBalance),
    level,
    status,
  }
  return {
    type,
    publisherId: null,
    applicationId: null,
    organizationId: organizationId!,
    locationId,
    environment,
    payload: { type, timestamp: now, data },
  }
}
