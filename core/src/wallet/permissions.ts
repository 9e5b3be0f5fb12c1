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
