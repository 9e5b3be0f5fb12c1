import type { InstallationsContext } from '../installations/index.ts'

/** What the rules of the wallet need: everything that installations have. */
export type WalletContext = InstallationsContext
