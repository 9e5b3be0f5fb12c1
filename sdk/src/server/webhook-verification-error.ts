/** Why a webhook was not accepted. */
export type WebhookVerificationCode =
  'missing_header' | 'invalid_signature' | 'timestamp_too_old' | 'timestamp_too_new' | 'invalid_payload'

/** A request that is not to be believed. `message` tells the author of the application what to check. */
export class WebhookVerificationError extends Error {
  readonly code: WebhookVerificationCode

  constructor(code: WebhookVerificationCode, message: string) {
    super(message)
    this.name = 'WebhookVerificationError'
    this.code = code
  }
}
