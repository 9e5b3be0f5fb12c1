import type { ErrorCode } from '../../kernel/index.ts'

/** What a charge and a hold can be refused with, once the request is one. */
export const paymentRefusals = [
  'insufficient_funds',
  'tenant_mismatch',
  'not_installed',
  'meter_not_found',
  'meter_inactive',
  'price_required',
  'price_not_allowed',
  'price_out_of_range',
  'invalid_units',
  'event_id_reused',
  'currency_mismatch',
  'wallet_suspended',
  'cap_reached',
  'usage_limit_reached',
] as const satisfies ErrorCode[]

/** What a charge alone can be refused with as well: it has a time, and waits in the queue. */
export const chargeRefusals = [
  ...paymentRefusals,
  'event_time_out_of_range',
  'unavailable',
] as const satisfies ErrorCode[]
