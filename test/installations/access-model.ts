export const universe = ['coupons:update', 'customers:show', 'instance-configuration:show', 'orders:show']

export type AccessAction =
  | { do: 'release'; required: string[]; optional: string[] }
  | { do: 'approve' | 'refuse'; isStale: boolean; chosen: string[] }
  | { do: 'choose'; chosen: string[] }

/** What an application asks for and what its one installation has granted: no database, no HTTP. */
export class AccessModel {
  version = 1
  required = ['customers:show', 'instance-configuration:show']
  optional: string[] = []
  grant: string[] = []
  installedVersion = 0
  /** Types of our own events, in order. */
  told: string[] = []
  isRollOutQueued = false
  #refusedVersion: number | null = null
  #pendingVersion: number | null = null

  /** What a token may do that is made now. */
  get usable(): string[] {
    return this.grant.filter((name) => this.#isAsked(name))
  }

  get missing(): string[] {
    return this.required.filter((name) => !this.grant.includes(name))
  }

  get status(): string {
    if (this.missing.length === 0) return 'complete'
    return this.#refusedVersion === this.version ? 'refused' : 'pending'
  }

  release(required: string[], optional: string[]): void {
    this.version++
    this.required = required
    this.optional = optional.filter((name) => !required.includes(name))
    this.isRollOutQueued = true
  }

  install(): void {
    this.grant = [...this.required].sort()
    this.installedVersion = this.version
    this.#refusedVersion = null
    this.#pendingVersion = null
  }

  /** Answers the HTTP status and how many lines of history it wrote. */
  decide(action: AccessAction & { do: 'approve' | 'refuse' | 'choose' }): { status: number; lines: number } {
    if (action.do !== 'choose' && action.isStale) return { status: 409, lines: 0 }
    if (action.do === 'refuse' && this.missing.length === 0) return { status: 409, lines: 0 }
    if (action.do !== 'refuse' && action.chosen.some((name) => !this.#isAsked(name))) return { status: 422, lines: 0 }
    let lines = this.rollForward()
    const chosen = action.chosen.filter((name) => this.optional.includes(name))
    if (action.do === 'approve') lines += this.#approve(chosen)
    else if (action.do === 'refuse') lines += this.#refuse()
    else lines += this.#choose(chosen)
    return { status: 200, lines }
  }

  /** The roll-out, or what it would do anyway before a decision. */
  rollForward(): number {
    if (this.installedVersion === this.version) return 0
    if (this.missing.length > 0) {
      if (this.#pendingVersion !== this.version && this.#refusedVersion !== this.version) {
        this.#pendingVersion = this.version
        this.told.push('installation.access-pending')
      }
      return 0
    }
    this.grant = this.usable
    this.installedVersion = this.version
    this.#refusedVersion = null
    this.told.push('installation.updated')
    return 1
  }

  #approve(chosen: string[]): number {
    const grant = sorted([...this.usable, ...this.required, ...chosen])
    const isSame = grant.join() === this.grant.join() && this.installedVersion === this.version
    if (isSame && this.#refusedVersion === null) return 0
    this.grant = grant
    this.installedVersion = this.version
    this.#refusedVersion = null
    this.told.push('installation.access-approved', 'installation.updated')
    return 1
  }

  #refuse(): number {
    if (this.#refusedVersion === this.version) return 0
    this.#refusedVersion = this.version
    this.told.push('installation.access-refused')
    return 1
  }

  #choose(chosen: string[]): number {
    const grant = sorted([...this.grant.filter((name) => !this.optional.includes(name)), ...chosen])
    if (grant.join() === this.grant.join()) return 0
    this.grant = grant
    this.told.push('installation.updated')
    return 1
  }

  #isAsked(name: string): boolean {
    return this.required.includes(name) || this.optional.includes(name)
  }
}

function sorted(names: string[]): string[] {
  return [...new Set(names)].sort()
}
