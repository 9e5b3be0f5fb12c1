/**
 * Why somebody who began, or wanted to begin, ended without an installation.
 *
 * - `wrong_environment`: asked for, or installed in, an environment that the app did not allow or ask for
 * - `wrong_state`: not the answer to an installation that this browser started here less than ten minutes ago
 * - `wrong_answer`: the answer is malformed, or comes from another authorization server (RFC 9207)
 * - `refused`: the host said no; `reason` has its code, `access_denied` when the customer cancelled
 * - `no_token`: the host did not exchange the code; a code works once
 * - `unavailable`: the host could not be reached, or is in trouble
 */
export type InstallErrorCode =
  'wrong_environment' | 'wrong_state' | 'wrong_answer' | 'refused' | 'no_token' | 'unavailable'

export class InstallError extends Error {
  readonly code: InstallErrorCode
  /** The host's own error code, if it gave one. */
  readonly reason: string | null
  /** What to answer the browser. */
  readonly status: 400 | 403 | 502

  constructor(code: InstallErrorCode, message: string, options: { reason?: string; cause?: unknown } = {}) {
    super(message, { cause: options.cause })
    this.name = 'InstallError'
    this.code = code
    this.reason = options.reason ?? null
    this.status = code === 'unavailable' ? 502 : code === 'refused' ? 403 : 400
  }
}
