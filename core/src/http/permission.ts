import type { Role } from './caller.ts'

/** A named right. The catalogue of all of them is made from the operations. */
export interface Permission {
  /** `resource:verb`, the canonical name. */
  name: string
  /** Other names for it: HighLevel's scope (which may stand for several), Rebilly's operationIds. */
  aliases: string[]
  /** What it lets somebody do, for people: completes "This application wants to …". */
  sentence: string
  /** The same of an application, where that differs: it uninstalls itself and not others. */
  ofApplications: string
  risk: 'low' | 'medium' | 'high'
  /** Who has it by their role in an organization. */
  roles: Role[]
  /** Whether an application may ask for it. */
  applications: boolean
  /** Whether an application's own API key may hold it: what needs it then acts for that application alone. */
  ownKeys: boolean
}

export interface PermissionOptions {
  ofApplications?: string
  aliases?: string[]
  risk?: Permission['risk']
  roles?: Role[]
  applications?: boolean
  ownKeys?: boolean
}

const everyone: Role[] = ['owner', 'admin', 'author', 'member']

/** Defines a permission. By default every role of an organization has it and no application may ask for it. */
export function permission(name: string, sentence: string, options: PermissionOptions = {}): Permission {
  return {
    name,
    sentence,
    ofApplications: options.ofApplications ?? sentence,
    aliases: options.aliases ?? [],
    risk: options.risk ?? 'low',
    roles: options.roles ?? everyone,
    applications: options.applications ?? false,
    ownKeys: options.ownKeys ?? false,
  }
}
