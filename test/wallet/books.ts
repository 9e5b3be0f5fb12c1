import type { Caller } from '../../core/src/http/index.ts'
import { microsText, newId, toMicros } from '../../core/src/kernel/index.ts'

/** What tests do to grants and charges through the operations for it, without HTTP; they throw what is refused. In micro-units. */
export interface Books {
  /** By the operator, in force for as long as there is time. The same reference grants once. */
  grant(
    owner: Owner,
    amount: bigint,
    change?: { priority?: number; reference?: string },
  ): Promise<{ id: string; replayed: boolean }>
  /** Ends a grant: what no hold reserves of it goes back to whoever gave it. */
  expire(grant: { id: string }): Promise<void>
  /** Gives a part back, or without an amount all that is left, as the location's application. */
  refund(
    caller: Caller,
    chargeId: string,
    wish: { refundId?: string; amount?: bigint },
  ): Promise<{ amount: bigint; replayed: boolean }>
}

interface Owner {
  organizationId: string
  locationId: string
}

/** Calls an operation in a transaction of its own. */
export type Act = (
  operation: string,
  by: Caller,
  given: { params?: object; body?: object },
) => Promise<{ status: number; body: Record<string, any> }> // eslint-disable-line -- tests look into bodies of every shape

export const operator: Caller = {
  kind: 'api-key',
  credentialId: 'key_test',
  userId: null,
  organizationId: 'org_test',
  locationId: null,
  environment: 'production',
  permissions: new Set(['*']),
  onlyApplicationId: null,
  application: null,
}

export const openBooks = (act: Act): Books => ({
  async grant({ locationId }, amount, { priority = 50, reference = newId('ref') } = {}) {
    const body = { locationId, kind: 'promotional', amount: microsText(amount), priority, reference }
    const { status, body: made } = await act('createGrant', operator, {
      // Tests of other processes have other clocks.
      body: { ...body, effectiveTime: '2020-01-01T00:00:00.000Z' },
    })
    return { id: made.id as string, replayed: status === 200 }
  },
  async expire({ id }) {
    await act('expireGrant', operator, { params: { id } })
  },
  async refund(caller, chargeId, { refundId = newId('ref'), amount }) {
    const { status, body } = await act('refundCharge', caller, {
      params: { chargeId },
      body: { refundId, ...(amount !== undefined && { amount: microsText(amount) }) },
    })
    return { amount: toMicros((body.exact as { amount: string }).amount)!, replayed: status === 200 }
  },
})
