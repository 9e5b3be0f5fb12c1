import { permission, type Role } from '../http/index.ts'

const managers: Role[] = ['owner', 'admin']
const authors: Role[] = ['owner', 'admin', 'author']

export const writeCharges = permission('charges:write', 'take money from your wallet for what you use', {
  aliases: ['charges.write'],
  roles: managers,
  applications: true,
  risk: 'high',
})
export const readCharges = permission('charges:read', 'see what it charged you and whether your wallet has funds', {
  aliases: ['charges.readonly'],
  roles: managers,
  applications: true,
})
export const readWallet = permission('wallet:read', 'see the balance and the statement of your wallet', {
  roles: ['owner', 'admin', 'member'],
})
export const topUpWallets = permission('wallet:top-up', 'add money to wallets', { roles: ['operator'], risk: 'high' })
export const readMeters = permission('meters:read', 'see the meters and prices of your applications', {
  roles: authors,
  ownKeys: true,
})
export const writeMeters = permission('meters:write', 'change the meters and prices of your applications', {
  roles: authors,
  risk: 'medium',
  ownKeys: true,
})
export const readRebilling = permission('rebilling:read', 'see what you resell applications for to your locations', {
  roles: managers,
})
export const writeRebilling = permission(
  'rebilling:write',
  'change who pays for applications and what your locations pay',
  { roles: managers, risk: 'high' },
)
export const readEarnings = permission('earnings:read', 'see what you have earned, your payouts and statements', {
  roles: managers,
})
export const readFees = permission('platform-fees:read', 'see the platform’s share of what applications earn', {
  roles: ['operator'],
})
export const writeFees = permission('platform-fees:write', 'change the platform’s share of what applications earn', {
  roles: ['operator'],
  risk: 'high',
})
export const readPayouts = permission('payouts:read', 'see the payouts of all organizations', { roles: ['operator'] })
export const writePayouts = permission('payouts:write', 'pay out what organizations have earned', {
  roles: ['operator'],
  risk: 'high',
})
export const exportLedger = permission('ledger:export', 'read the whole ledger', {
  roles: ['operator'],
  risk: 'medium',
})
