import type { Knex } from 'knex'
import type { Db } from '../../database/index.ts'
import { publish, type NewEvent } from '../../events/index.ts'
import { isoIn, microsText, nowIso } from '../../kernel/index.ts'
import type { WalletContext } from '../context.ts'
import type { Account } from '../ledger/account.ts'
import { findTopUpRule, saveTopUpRule, updateTopUpRule, type TopUpRule } from './top-up-rule.ts'
import type { TopUp } from './top-up.ts'

const firstWait = 15 * 60
const most = 7

export async function forgetDeclines(db: Db, accountId: string): Promise<void> {
  await updateTopUpRule(db, accountId, { failures: 0 })
}

/**
 * A payment for the wallet was declined. The rule that asked for it waits, twice as long each time, and is switched off when too many
 * were declined in a row; one that relied on a payment of the merchant's looks again. Whoever calls it holds the wallet's lock.
 */
export async function countDecline(
  ctx: WalletContext,
  trx: Knex.Transaction,
  wallet: Account,
  { source, failure }: TopUp,
): Promise<void> {
  const rule = await findTopUpRule(trx, wallet.id)
  if (!rule?.enabled) return
  if (source !== 'auto') {
    if (rule.dueTime === null) await updateTopUpRule(trx, wallet.id, { due_time: nowIso(ctx.clock) })
    return
  }
  const failures = rule.failures + 1
  if (failures < most) {
    const due = isoIn(ctx.clock, firstWait * 2 ** (failures - 1))
    return updateTopUpRule(trx, wallet.id, { failures, due_time: due })
  }
  const now = nowIso(ctx.clock)
  const disabled = { ...rule, enabled: false, failures, dueTime: null, updatedTime: now }
  await saveTopUpRule(trx, disabled)
  await publish(ctx, trx, disabledEvent(wallet, disabled, failure ?? 'declined', now))
}

function disabledEvent(wallet: Account, { threshold, failures }: TopUpRule, reason: string, now: string): NewEvent {
  const { id, organizationId, environment, currency } = wallet
  const locationId = wallet.ownerType === 'location' ? wallet.ownerId : null
  const type = 'top-up-rule.disabled' as const
  const data = {
    walletId: id,
    organizationId: organizationId!,
    locationId,
    environment,
    currency,
    threshold: microsText(threshold),
    failures,
    reason,
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
