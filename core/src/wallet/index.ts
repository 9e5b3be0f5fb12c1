export { checkLedger, type CheckOptions } from './proof/check-ledger.ts'
export {
  exportLedger,
  inspectLedger,
  replayLedger,
  type InspectOptions,
  type LedgerReport,
} from './proof/ledger-tools.ts'
export type { Replayed } from './proof/replay-into.ts'
export { createWallet, type Wallet } from './create-wallet.ts'
export type { WalletContext } from './context.ts'
export { readWalletBacklog } from './read-wallet-backlog.ts'
export { pricesOf } from './meters/prices-of.ts'
export type { Grant } from './ledger/grant.ts'
export { sweepBilling } from './charges/sweep-billing.ts'
export { accountId } from './ledger/account.ts'
export type { Meter } from './meters/meters.ts'
export type { Price } from './meters/price.ts'
export { playFunding } from './wallets/play-funding.ts'
export { createStripeFunding, type StripeFundingOptions, type StripePayer } from './wallets/stripe-funding.ts'
export { endWithInstallation, planOf, startSubscription } from './plans/installation-ports.ts'
export { findActivePlans } from './plans/plan-store.ts'
export type { Plan } from './plans/plan.ts'
export { installationsOnPlan } from './plans/subscription-store.ts'
export { createSubscriptionWorker } from './plans/subscription-worker.ts'
export { accountStatement, balanceAt } from './revenue/account-statement.ts'
export { readAtOnce } from './revenue/entry-totals.ts'
export { monthAt } from './revenue/period.ts'
export { createPayoutWorker } from './revenue/payout-worker.ts'
