/**
 * The app may not act there: it was never installed, or it was uninstalled, disabled or refused. Nothing is left in the
 * token store. Send the customer to your install address.
 */
export class NotInstalledError extends Error {
  readonly code = 'not_installed'
  /** The location or organization, as it was asked for. */
  readonly target: string

  constructor(target: string, options?: { cause?: unknown }) {
    super(`The app is not installed at ${target} (any more): install it again.`, options)
    this.name = 'NotInstalledError'
    this.target = target
  }
}
