import type { Operation, Permission } from '../http/index.ts'
import { batchOperations } from './charges/batch-operations.ts'
import { capOperations } from './caps/cap-operations.ts'
import { ownCapOperations } from './caps/own-cap-operations.ts'
import { chargeOperations } from './charges/charge-operations.ts'
import { createChargeQueue } from './charges/charge-queue.ts'
import { refundOperations } from './charges/refund-operations.ts'
import { holdOperations } from './holds/hold-operations.ts'
import { createHoldWorker } from './holds/hold-worker.ts'
import type { Poller } from '../kernel/index.ts'
import { backfillCharges } from './permissions.ts'
import type { WalletContext } from './context.ts'
import { adjustmentOperations } from './proof/adjustment-operations.ts'
import { meterOperations } from './meters/meter-operations.ts'
import { createGrantWorker } from './wallets/expire-grant.ts'
import { grantOperations } from './wallets/grant-operations.ts'
import { locationBalanceOperations } from './wallets/location-balance-operations.ts'
import { topUpOperations } from './wallets/top-up-operations.ts'
import { topUpRuleOperations } from './wallets/top-up-rule-operations.ts'
import { createTopUpWorker } from './wallets/top-up-worker.ts'
import { allSubscriptionsOperation } from './plans/all-subscriptions-operation.ts'
import { planOperations } from './plans/plan-operations.ts'
import { rebillingConfigOperations } from './plans/rebilling-config.ts'
import { subscriptionOperations } from './plans/subscription-operations.ts'
import { createSubscriptionWorker } from './plans/subscription-worker.ts'
import { customerPriceOperations } from './rebilling/customer-prices.ts'
import { rebillingOperations } from './rebilling/rebilling-operations.ts'
import { createPayoutWorker } from './revenue/payout-worker.ts'
import { revenueOperations } from './revenue/revenue-operations.ts'
import { walletOperations } from './wallets/wallet-operations.ts'

/** One host's wallet: its operations share one queue of charges. */
export interface Wallet {
  operations: Operation[]
  /** Those that no operation asks for by itself. */
  permissions: Permission[]
  /** Background work, for whoever starts the host. */
  workers: Poller[]
  /** Resolves when every charge that was submitted has been answered. */
  drain(): Promise<void>
}

export function createWallet(ctx: WalletContext): Wallet {
  const queue = createChargeQueue(ctx)
  return {
    operations: [
      ...batchOperations(queue),
      ...chargeOperations(ctx, queue),
      ...refundOperations(ctx),
      ...holdOperations(ctx, queue),
      ...capOperations(ctx),
      ...ownCapOperations(ctx),
      ...meterOperations(ctx),
      ...walletOperations(ctx),
      ...topUpOperations(ctx),
      ...topUpRuleOperations(ctx),
      ...grantOperations(ctx),
      ...locationBalanceOperations(ctx),
      ...planOperations(ctx),
      ...subscriptionOperations(ctx),
      allSubscriptionsOperation(),
      ...rebillingConfigOperations(ctx),
      ...rebillingOperations(ctx),
      ...customerPriceOperations(ctx),
      ...revenueOperations(ctx),
      ...adjustmentOperations(ctx),
    ],
    permissions: [backfillCharges],
    workers: [
      createHoldWorker(ctx),
      createTopUpWorker(ctx),
      createGrantWorker(ctx),
      createSubscriptionWorker(ctx),
      createPayoutWorker(ctx),
    ],
    drain: () => queue.drain(),
  }
}
