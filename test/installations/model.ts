import { AccessModel, type AccessAction } from './access-model.ts'

export type Action =
  | AccessAction
  | { do: 'install' | 'uninstall' | 'enable' | 'disable' | 'toggleApplication' }
  | { do: 'deliver' | 'exhaust'; event: number }
  | { do: 'wait'; seconds: number }

export type Status = 'enabling' | 'enabled' | 'disabling' | 'disabled'

export interface Times {
  acknowledgeSeconds: number
  acknowledgeTries: number
  cleanupSeconds: number
  tokenSeconds: number
}

/** The state machine of one installation, as the design tells it: no database, no HTTP. */
export class InstallationModel {
  status: Status | null = null
  isUninstalled = true
  isAvailable = true
  hasProblem = false
  now = 0
  steps: [Status | null, Status][] = []
  events: { type: 'enabled' | 'disabled'; episode: number }[] = []
  tokens: { token: string; expires: number; isRevoked: boolean; permissions: string[] }[] = []
  readonly access = new AccessModel()
  #episode = 0
  #tries = 0
  #deadline: number | null = null
  readonly #acknowledges: boolean
  readonly #isHeard: boolean
  readonly #times: Times

  constructor({ acknowledges, isHeard }: { acknowledges: boolean; isHeard: boolean }, times: Times) {
    this.#acknowledges = acknowledges
    this.#isHeard = isHeard
    this.#times = times
  }

  get isPresent(): boolean {
    return this.status !== null && (!this.isUninstalled || this.status === 'disabling')
  }

  /** Whether the publisher gets a token, and until when it lives. */
  get tokenLife(): number | null {
    if (!this.isAvailable) return null
    if (this.status === 'enabling' || this.status === 'enabled') return this.now + this.#times.tokenSeconds
    if (!this.access.usable.includes('instance-configuration:show')) return null
    const left = this.status === 'disabling' ? this.#deadline! - this.now : 0
    return left >= 1 ? this.#deadline : null
  }

  /** What such a token may do. */
  get tokenPermissions(): string[] {
    return this.access.usable.filter((name) => this.status !== 'disabling' || name === 'instance-configuration:show')
  }

  /** Takes the action and answers the HTTP status it should have had; null where there is none. */
  take(action: Action): number | null {
    switch (action.do) {
      case 'install':
        return this.#install()
      case 'uninstall':
        return this.#uninstall()
      case 'enable':
        return this.#enable()
      case 'disable':
        if (!this.isPresent) return 404
        if (this.status === 'disabling' || this.status === 'disabled') return 409
        this.#stop()
        return 200
      case 'toggleApplication':
        this.isAvailable = !this.isAvailable
        if (!this.isAvailable) for (const token of this.tokens) token.isRevoked = true
        return null
      case 'deliver':
        return this.#deliver(action.event)
      case 'exhaust':
        return this.#exhaust(action.event)
      case 'wait':
        this.now += action.seconds
        this.#work()
        this.#rollOut()
        return null
      case 'release':
        this.access.release(action.required, action.optional)
        return null
      case 'approve':
      case 'refuse':
      case 'choose': {
        if (!this.isPresent || this.isUninstalled) return 404
        const { status, lines } = this.access.decide(action)
        this.#remark(lines)
        return status
      }
    }
  }

  #install(): number {
    if (!this.isAvailable && !this.isPresent) return 404
    if (this.status === 'enabled') return 200
    if (this.status === 'enabling') {
      if (this.hasProblem) this.#send(1)
      return 200
    }
    if (!this.isAvailable) return 422
    const isNew = this.isUninstalled
    if (isNew) this.access.install()
    this.#start()
    this.isUninstalled = false
    return isNew ? 201 : 200
  }

  #enable(): number {
    if (!this.isPresent || this.isUninstalled) return 404
    if (this.status === 'enabled' || (this.status === 'enabling' && !this.hasProblem)) return 409
    if (this.status === 'enabling') this.#send(1)
    else if (!this.isAvailable) return 422
    else this.#start()
    return 200
  }

  #uninstall(): number {
    if (!this.isPresent || this.isUninstalled) return 404
    if (this.status === 'disabled' || this.status === 'disabling') {
      this.steps.push([this.status, this.status])
      this.events.push({ type: 'disabled', episode: this.#episode })
    } else this.#stop()
    this.isUninstalled = true
    return 204
  }

  #rollOut(): void {
    if (!this.access.isRollOutQueued) return
    this.access.isRollOutQueued = false
    if (this.status !== null && !this.isUninstalled) this.#remark(this.access.rollForward())
  }

  /** Lines of history without a change of status; what left the grant leaves the tokens. */
  #remark(lines: number): void {
    for (let line = 0; line < lines; line++) this.steps.push([this.status, this.status!])
    for (const token of this.tokens)
      token.permissions = token.permissions.filter((name) => this.access.grant.includes(name))
  }

  #start(): void {
    if (this.status === 'disabling') this.#move('disabled')
    this.#move('enabling')
    this.#episode++
    this.#send(1)
    if (!this.#acknowledges) this.#move('enabled')
  }

  #stop(): void {
    this.#move('disabling')
    this.#episode++
    this.events.push({ type: 'disabled', episode: this.#episode })
    this.#deadline = this.now + this.#times.cleanupSeconds
    if (!this.#isHeard) this.#move('disabled')
  }

  #send(tries: number): void {
    this.#tries = tries
    this.hasProblem = false
    this.#deadline = this.now + this.#times.acknowledgeSeconds
    this.events.push({ type: 'enabled', episode: this.#episode })
  }

  #move(to: Status): void {
    this.steps.push([this.status, to])
    this.status = to
    if (to === 'disabling' || to === 'disabled') for (const token of this.tokens) token.isRevoked = true
    if (to !== 'enabling') this.hasProblem = false
    if (to === 'enabled' || to === 'disabled') this.#deadline = null
  }

  #deliver(index: number): null {
    const event = this.events[index % this.events.length]
    if (event?.episode !== this.#episode) return null
    if (event.type === 'enabled' && this.status === 'enabling') this.#move('enabled')
    if (event.type === 'disabled' && this.status === 'disabling') this.#move('disabled')
    return null
  }

  #exhaust(index: number): null {
    const event = this.events[index % this.events.length]
    const isAwaited = event?.episode === this.#episode && event.type === 'enabled' && this.status === 'enabling'
    if (isAwaited && this.#deadline !== null) this.#deadline = this.now
    return null
  }

  #work(): void {
    if (this.#deadline === null || this.#deadline > this.now) return
    if (this.status === 'disabling') return this.#move('disabled')
    if (this.status !== 'enabling') return
    if (this.#tries < this.#times.acknowledgeTries) return this.#send(this.#tries + 1)
    this.hasProblem = true
    this.#deadline = null
  }
}
