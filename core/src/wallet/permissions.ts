import { permission, type Role } from '../http/index.ts'

const managers: Role[] = ['owner', 'admin']
const authors: Role[] = ['owner', 'admin', 'author']

export const writeCharges = permission('charges:write', 'take money from your wallet for what you use', {
  aliases: ['charges.write'],
  roles: managers,
  applications: true,
  risk: 'high',
})
export const backfillCharges = permission('charges:backfill', 'charge for what you used up to a year ago', {
  aliases: ['charges.backfill'],
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
export const adjustWallets = permission('wallet:adjust', 'put wallets and earnings right', {
  roles: ['operator'],
  risk: 'high',
})
export const readMeters = permission('meters:read', 'see the meters and prices of your applications', {
  roles: authors,
  ownKeys: true,
})
export const writeMeters = permission('meters:write', 'change the meters and prices of your applications', {
  roles: authors,
  risk: 'medium',
  ownKeys: true,
})
export const readCaps = permission('caps:read', 'see how much applications may cost, and what is left of it', {
  roles: ['owner', 'admin', 'member'],
})
export const writeCaps = permission('caps:write', 'decide how much applications may cost', {
  roles: managers,
  risk: 'high',
})
export const fundWallet = permission('wallet:fund', 'add money to your wallet from your means of payment', {
  roles: managers,
  risk: 'high',
})
export const manageWallet = permission('wallet:manage', 'say when you are told that your wallet runs low', {
  roles: managers,
})
export const readWallets = permission('wallets:read', 'see every wallet and what was granted to it', {
  roles: ['operator'],
})
export const writeWallets = permission('wallets:write', 'suspend wallets and let them go into overdraft', {
  roles: ['operator'],
  risk: 'high',
})
export const readGrants = permission('grants:read', 'see what was granted to wallets', { roles: ['operator'] })
export const writeGrants = permission('grants:write', 'grant money to wallets and take it back', {
  roles: ['operator'],
  risk: 'high',
})
export const readLocationBalance = permission('location-balance:read', 'see what is in the wallets of your locations', {
  aliases: ['saas/company.read'],
  roles: managers,
  applications: true,
})
export const giveCredits = permission('credits:give', 'give money of your wallet to your locations', {
  aliases: ['saas/company.write'],
  roles: managers,
  applications: true,
  risk: 'high',
})
export const readPlans = permission('plans:read', 'see the plans of your applications', {
  roles: authors,
  ownKeys: true,
})
export const writePlans = permission('plans:write', 'change the plans of your applications', {
  roles: authors,
  risk: 'medium',
  ownKeys: true,
})
export const readSubscriptions = permission('subscriptions:read', 'see which plans you pay for, and what they cost')
export const readAllSubscriptions = permission(
  'platform-subscriptions:read',
  'see the plans that all organizations pay for',
  { roles: ['operator'] },
)
export const writeSubscriptions = permission('subscriptions:write', 'change and cancel the plans you pay for', {
  roles: managers,
  risk: 'high',
})
export const readRebillingConfig = permission(
  'rebilling-config:show',
  'see what a location pays for its plans and units',
  { aliases: ['oauth.readonly'], applications: true },
)
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
