/**
 * The host gave no token, for a reason that says nothing about the installation: it could not be reached, it is in
 * trouble, or it does not take the app's own credentials. Stored sessions stay as they are; trying again may help.
 */
export class TokenRequestError extends Error {
  /**
   * The error code of the host's OAuth answer (RFC 6749, section 5.2), or what went wrong instead of one. `not_active` is
   * an `invalid_grant` that the host says will be valid again when the app is switched on there.
   */
  readonly code: 'unreachable' | 'unexpected_response' | 'not_active' | (string & {})
  /** HTTP status, when there was an answer. */
  readonly status: number | null

  constructor(code: string, status: number | null, message: string, options?: { cause?: unknown }) {
    super(message, options)
    this.name = 'TokenRequestError'
    this.code = code
    this.status = status
  }
}
