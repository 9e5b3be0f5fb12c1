import { createHash } from 'node:crypto'
import type { Caller } from '../../http/index.ts'
import { invalidField, microsText, readTime, StoaError, toMicros, type Micros } from '../../kernel/index.ts'
import type { Capture, ChargeRequest } from './charge.ts'
import type { ChargeBody } from './charge-schemas.ts'
import { backfillCharges } from '../permissions.ts'
import { tenantOf } from '../tenant.ts'

const mostUnits: Micros = 1_000_000_000n * 1_000_000n

/**
 * Judges what needs no database. Throws `caller_not_allowed` without a location token, `tenant_mismatch` when the body names
 * others than the token was issued for, `invalid_request` for a blank member, `invalid_units`, `validation_failed` for a time
 * that is none.
 */
export function readChargeRequest(caller: Caller, body: ChargeBody, capture: Capture | null = null): ChargeRequest {
  const common = readCommon(caller, body)
  const eventTime = readEventTime(body.eventTime)
  const { meterId, organizationId, units, price } = common
  const parts = [meterId, organizationId, microsText(units), priceText(price), eventTime]
  return {
    ...common,
    eventTime,
    fingerprint: fingerprintOf(capture ? [...parts, capture.holdId] : parts),
    isBackfill: caller.permissions.has(backfillCharges.name),
    batchId: null,
    capture,
  }
}

/** What the bodies of charges and holds have in common. */
export function readCommon(caller: Caller, body: Omit<ChargeBody, 'eventTime'>) {
  const tenant = tenantOf(caller)
  for (const name of ['appId', 'meterId', 'eventId', 'locationId', 'companyId', 'description', 'userId'] as const) {
    if (typeof body[name] === 'string' && body[name].trim() === '') throw blank(name)
  }
  refuseOthers('appId', body.appId, tenant.applicationId)
  refuseOthers('locationId', body.locationId, tenant.locationId)
  refuseOthers('companyId', body.companyId, tenant.organizationId)
  const units = toMicros(body.units)
  if (units === null || units <= 0n || units > mostUnits) throw new StoaError('invalid_units', unitsDetails)
  const { meterId, eventId, description } = body
  return {
    ...tenant,
    meterId,
    eventId,
    description,
    userId: body.userId ?? null,
    units,
    price: body.price ?? null,
    currency: body.currency ?? null,
  }
}

const unitsDetails = {
  message: `units must be a positive number with at most 6 decimals, at most ${microsText(mostUnits)}.`,
  invalidFields: [{ field: 'units', message: 'must be a number conforming to the specified constraints' }],
}

function blank(name: string): StoaError {
  const message = `${name} should not be empty`
  return new StoaError('invalid_request', { message, invalidFields: [{ field: name, message: 'should not be empty' }] })
}

function refuseOthers(name: string, given: string, own: string): void {
  if (given !== own) {
    throw new StoaError('tenant_mismatch', { message: `${name} is not the one the token was issued for.` })
  }
}

function readEventTime(given: string | null | undefined): string | null {
  if (given === undefined || given === null || given.trim() === '') return null
  const time = readTime(given)
  if (time === null) throw invalidField('eventTime', 'must be an ISO 8601 time such as 2025-03-26T00:00:00.000Z')
  return time
}

// A price that is no decimal of ours was never charged, so its own text can stand for it.
export function priceText(price: number | null): string | null {
  if (price === null) return null
  const micros = toMicros(price)
  return micros === null ? String(price) : microsText(micros)
}

/** What a repeated request must agree with. */
export function fingerprintOf(parts: (string | null)[]): string {
  return createHash('sha256').update(JSON.stringify(parts)).digest('base64url')
}
