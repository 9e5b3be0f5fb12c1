/**
 * The app may not act there.
 *
 * - `not_installed`: it never was installed, or it was uninstalled. Nothing is left in the token store; send the customer
 *   to your install address.
 * - `switched_off`: it is installed, and off. The session is kept: it works again when the customer switches the app on.
 */
export class NotInstalledError extends Error {
  readonly code: 'not_installed' | 'switched_off'
  /** The location or organization, as it was asked for. */
  readonly target: string

  constructor(target: string, options: { cause?: unknown; isOff?: boolean } = {}) {
    const { cause, isOff = false } = options
    super(
      isOff
        ? `The app is switched off at ${target}: its owner can switch it on again.`
        : `The app is not installed at ${target} (any more): install it again.`,
      { cause },
    )
    this.name = 'NotInstalledError'
    this.code = isOff ? 'switched_off' : 'not_installed'
    this.target = target
  }
}
