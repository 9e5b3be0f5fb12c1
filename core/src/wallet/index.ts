export { checkLedger } from './check-ledger.ts'
export { createWallet, type Wallet } from './create-wallet.ts'
export type { WalletContext } from './context.ts'
export type { Meter, Price } from './meters.ts'
