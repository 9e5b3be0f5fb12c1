import type { Operation } from '../../http/index.ts'
import type { WalletContext } from '../context.ts'
import { exportOperations } from './export-operations.ts'
import { feeOperations } from './fee-operations.ts'
import { payoutOperations } from './payout-operations.ts'
import { statementOperations } from './statement-operations.ts'

/** Everything that is earned: the platform's share, payouts, statements, and the ledger behind them. */
export function revenueOperations(ctx: WalletContext): Operation[] {
  return [...feeOperations(ctx), ...payoutOperations(ctx), ...statementOperations(ctx), ...exportOperations(ctx)]
}
