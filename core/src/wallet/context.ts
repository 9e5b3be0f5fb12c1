import type { InstallationsContext } from '../installations/index.ts'
import type { FundingPort } from '../kernel/index.ts'

/** What the rules of the wallet need: everything that installations have, and where money comes from. */
export interface WalletContext extends InstallationsContext {
  /** Asks for money in production; null where only operators add any. */
  funding: FundingPort | null
}
