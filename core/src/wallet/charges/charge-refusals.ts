import type { ErrorCode } from '../../kernel/index.ts'

/** What a charge can be refused with, once its request is one. */
export const chargeRefusals = [
  'insufficient_funds',
  'tenant_mismatch',
  'not_installed',
  'meter_not_found',
  'meter_inactive',
  'price_required',
  'price_not_allowed',
  'price_out_of_range',
  'invalid_units',
  'event_time_out_of_range',
  'event_id_reused',
  'currency_mismatch',
  'wallet_suspended',
  'cap_reached',
  'usage_limit_reached',
  'unavailable',
] as const satisfies ErrorCode[]
