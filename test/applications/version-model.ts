export type Status = 'draft' | 'submitted' | 'approved' | 'released' | 'yanked' | 'rejected'
export type Mode = 'automatic' | 'manual'

export type Action =
  | { do: 'draft' | 'submitDirectly'; permissions: string; mode: Mode }
  | { do: 'edit'; nth: number; permissions: string }
  | { do: 'delete' | 'submit' | 'release' | 'yank'; nth: number }
  | { do: 'approve' | 'reject' | 'toggle' }

export interface ModelVersion {
  version: number
  status: Status
  release: Mode
  permissions: string
}

/** The state machine of the versions of one approved application, as the design tells it: no database, no HTTP. */
export class VersionModel {
  versions: ModelVersion[] = [{ version: 1, status: 'released', release: 'automatic', permissions: 'GetCustomer' }]
  inForce = 1
  isAvailable = true
  /** What the history tells of versions. */
  steps: [action: string, version: number][] = [
    ['submitted', 1],
    ['approved', 1],
    ['released', 1],
  ]

  /** Which number an action speaks of: mostly one that exists. */
  numberOf(nth: number): number {
    return nth % (this.versions.length + 2)
  }

  get permissions(): string {
    return this.#find(this.inForce)!.permissions
  }

  /** The version that waits for review. */
  get submitted(): ModelVersion | undefined {
    return this.versions.find(({ status }) => status === 'submitted')
  }

  /** Takes the action and answers the HTTP status it should have had. */
  take(action: Action): number {
    switch (action.do) {
      case 'draft': {
        if (this.versions.some(({ status }) => status === 'draft')) return 409
        this.#add('draft', action)
        return 201
      }
      case 'submitDirectly': {
        if (this.#waiting || action.permissions === this.permissions) return 409
        this.#move(this.#add('submitted', action), 'submitted')
        return 200
      }
      case 'edit':
        return this.#of(action.nth, 'draft', 200, (draft) => {
          draft.permissions = action.permissions
        })
      case 'delete':
        return this.#of(action.nth, 'draft', 204, (draft) => {
          this.versions = this.versions.filter((each) => each !== draft)
        })
      case 'submit':
        return this.#of(action.nth, 'draft', 200, (draft) => {
          if (this.#waiting || draft.permissions === this.permissions) return false
          this.#move(draft, 'submitted')
        })
      case 'approve': {
        const version = this.submitted
        if (!version) return 409
        this.#move(version, 'approved')
        if (version.release === 'automatic') this.#release(version)
        return 200
      }
      case 'reject':
        if (!this.submitted) return 409
        this.#move(this.submitted, 'rejected')
        return 200
      case 'release':
        return this.#of(action.nth, 'approved', 200, (version) => this.#release(version))
      case 'yank':
        return this.#of(action.nth, ['approved', 'released'], 200, (version) => {
          const others = this.versions.filter((each) => each.status === 'released' && each !== version)
          if (this.inForce === version.version) {
            if (others.length === 0) return false
            this.inForce = Math.max(...others.map((each) => each.version))
          }
          this.#move(version, 'yanked')
        })
      case 'toggle':
        this.isAvailable = !this.isAvailable
        return 200
    }
  }

  #of(nth: number, from: Status | Status[], success: number, then: (version: ModelVersion) => false | void): number {
    const version = this.#find(this.numberOf(nth))
    if (!version) return 404
    return [from].flat().includes(version.status) && then(version) !== false ? success : 409
  }

  #find(number: number): ModelVersion | undefined {
    return this.versions.find(({ version }) => version === number)
  }

  get #waiting(): boolean {
    return this.versions.some(({ status }) => status === 'submitted' || status === 'approved')
  }

  #add(status: Status, { permissions, mode }: { permissions: string; mode: Mode }): ModelVersion {
    const version = Math.max(...this.versions.map((each) => each.version)) + 1
    const added = { version, status, release: mode, permissions }
    this.versions.push(added)
    return added
  }

  #move(version: ModelVersion, status: Exclude<Status, 'draft'>): void {
    version.status = status
    this.steps.push([status, version.version])
  }

  #release(version: ModelVersion): void {
    this.inForce = version.version
    this.#move(version, 'released')
  }
}
