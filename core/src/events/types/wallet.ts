import { environments } from '../../context.ts'
import { Id, Nullable, OneOf, Type } from '../../kernel/index.ts'
import { exampleIds, ownType, type OwnType } from './own-type.ts'

const Decimal = () => Type.String({ pattern: '^-?\\d+(\\.\\d+)?$', description: 'Decimal text.' })

export const WalletData = Type.Object({
  walletId: Id(),
  organizationId: Id(),
  locationId: Nullable(Id('Null for the organization’s own wallet.')),
  environment: OneOf(environments),
  currency: Type.String({ pattern: '^[A-Z]{3}$' }),
  balance: Decimal(),
  available: Decimal(),
  lowBalance: Nullable(Decimal(), { description: 'The balance below which its owner wants to be told.' }),
  level: OneOf(['ok', 'low', 'depleted']),
  status: OneOf(['active', 'suspended']),
})
export const exampleWallet = {
  walletId: 'acc_01a1ff50919a7ee88951eddf34997d16',
  organizationId: exampleIds.organization,
  locationId: exampleIds.location,
  environment: 'production',
  currency: 'USD',
  balance: '25',
  available: '25',
  lowBalance: '10',
  level: 'ok',
  status: 'active',
}

const WalletDecision = Type.Object({
  ...WalletData.properties,
  overdraft: Decimal(),
  reason: Type.String({ description: 'Why the operator did it.' }),
})
const decided = {
  data: WalletDecision,
  audience: ['organization'] as const,
}

const parts = {
  data: WalletData,
  audience: ['organization', 'installations'] as const,
  // With which an application sees whether the wallet has funds anyway.
  permission: 'charges:read',
}

export const walletTypes = {
  'wallet.low-balance': ownType('wallet.low-balance', {
    ...parts,
    sentence: 'A wallet fell below the balance at which its owner wants to be told.',
    example: { ...exampleWallet, balance: '9.5', available: '9.5', level: 'low' },
  }),
  'wallet.depleted': ownType('wallet.depleted', {
    ...parts,
    sentence: 'A wallet has nothing left to spend.',
    example: { ...exampleWallet, balance: '0', available: '0', level: 'depleted' },
  }),
  'wallet.recovered': ownType('wallet.recovered', {
    ...parts,
    sentence: 'A wallet that was low or empty can pay again.',
    example: exampleWallet,
  }),
  'wallet.suspended': ownType('wallet.suspended', {
    ...decided,
    sentence: 'The platform suspended a wallet: it pays for nothing until it is resumed.',
    example: { ...exampleWallet, status: 'suspended', overdraft: '0', reason: 'a payment was disputed' },
  }),
  'wallet.resumed': ownType('wallet.resumed', {
    ...decided,
    sentence: 'A wallet that was suspended pays again.',
    example: { ...exampleWallet, overdraft: '0', reason: 'the dispute was settled' },
  }),
  'wallet.overdraft-changed': ownType('wallet.overdraft-changed', {
    ...decided,
    sentence: 'The platform changed how far a wallet may go below zero.',
    example: { ...exampleWallet, available: '125', overdraft: '100', reason: 'agreed for this year' },
  }),
  'wallet.adjusted': ownType('wallet.adjusted', {
    ...parts,
    data: Type.Object({
      ...WalletData.properties,
      adjustmentId: Id(),
      amount: Type.String({ ...Decimal(), description: 'Decimal text; negative for what was taken.' }),
      reason: Type.String(),
    }),
    audience: ['organization'],
    sentence: 'The platform put the balance of a wallet right.',
    example: {
      ...exampleWallet,
      adjustmentId: 'adj_01a1ff50919a7ee88951eddf34997d18',
      amount: '-2.5',
      reason: 'Paid twice by bank transfer',
    },
  }),
} satisfies Record<string, OwnType>
