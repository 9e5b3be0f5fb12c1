import { errorCatalogue, type ErrorCode, type InvalidField } from '@stoa/sdk/contract'

export { errorCatalogue, type ErrorCode, type InvalidField }

export interface ErrorOptions {
  /** The sentence for people, when the catalogue's own can be made more precise. */
  message?: string
  invalidFields?: InvalidField[]
  /** Extra members of the error body, such as `required` and `available`. Never secrets, never another tenant's data. */
  details?: Record<string, unknown>
  /** Seconds, sent as `Retry-After`. */
  retryAfter?: number
  cause?: unknown
}

/** The one error that rules throw: a code of the closed catalogue, rendered by the HTTP layer. */
export class StoaError extends Error {
  readonly code: ErrorCode
  readonly status: number
  readonly invalidFields: InvalidField[] | undefined
  readonly details: Record<string, unknown> | undefined
  readonly retryAfter: number | undefined

  constructor(code: ErrorCode, options: ErrorOptions = {}) {
    super(options.message ?? errorCatalogue[code][2], { cause: options.cause })
    this.name = 'StoaError'
    this.code = code
    this.status = errorCatalogue[code][0]
    this.invalidFields = options.invalidFields
    this.details = options.details
    this.retryAfter = options.retryAfter
  }
}

/** A 422 that names fields; the usual refusal of a body that has the right shape and the wrong content. */
export function invalidField(field: string, message: string, code: ErrorCode = 'validation_failed'): StoaError {
  return new StoaError(code, { message: `${field}: ${message}`, invalidFields: [{ field, message }] })
}
