import type { Caller } from '../../http/index.ts'
import { microsText } from '../../kernel/index.ts'
import { fingerprintOf, priceText, readCommon } from '../charges/read-charge-request.ts'
import { readPositive } from '../read-amount.ts'
import type { HoldBody } from './hold-schemas.ts'
import type { HoldRequest } from './make-hold.ts'

const usualSeconds = 3600

/** As a charge of the same. `amount` may stand in the place of what the units come to. Throws `validation_failed` for an amount that is none. */
export function readHoldRequest(caller: Caller, body: HoldBody): HoldRequest {
  const common = readCommon(caller, body)
  const { meterId, organizationId, units, price } = common
  const amount = readPositive(body.amount, 'amount')
  const amountText = amount === null ? null : microsText(amount)
  const parts = [meterId, organizationId, microsText(units), priceText(price), amountText]
  return {
    ...common,
    amount,
    fingerprint: fingerprintOf(parts),
    expiresInSeconds: body.expiresIn ?? usualSeconds,
  }
}
