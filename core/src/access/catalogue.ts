import type { Operation, Permission, Role } from '../http/index.ts'

export interface Resolved {
  /** Canonical names, each once. */
  names: string[]
  /** Those of the given names that mean nothing here. */
  unknown: string[]
}

/** All permissions a host knows, under all their names. Made from the operations, so that it cannot disagree with them. */
export interface Catalogue {
  /** Adds permissions; called while the host is put together, and never afterwards. */
  add(permissions: Permission[]): void
  addOperations(operations: Operation[]): void
  all(): Permission[]
  /** By canonical name or by an alias that stands for it alone. */
  find(name: string): Permission | null
  /** Turns names, aliases and the wildcards `*` and `resource:*` into canonical names. `*` leaves key management out. */
  resolve(names: string[]): Resolved
  /** What a role may do. */
  ofRole(role: Role): ReadonlySet<string>
}

/** Rights that let a credential make others: never part of `*`, so that a leaked key cannot outlive its own revocation. */
const beyondWildcard = new Set([
  'api-keys:create',
  'api-keys:delete',
  'application-keys:create',
  'application-keys:delete',
  'members:manage',
])

export function createCatalogue(): Catalogue {
  const permissions = new Map<string, Permission>()
  const byAlias = new Map<string, Set<string>>()
  let roles = new Map<Role, Set<string>>()

  function add(list: Permission[]): void {
    for (const permission of list) {
      const known = permissions.get(permission.name)
      // The embedder's resources may be named before the operations that serve them exist; the operation's word then counts.
      permissions.set(
        permission.name,
        known
          ? { ...known, ...permission, aliases: [...new Set([...known.aliases, ...permission.aliases])] }
          : permission,
      )
      for (const alias of permission.aliases) byAlias.set(alias, (byAlias.get(alias) ?? new Set()).add(permission.name))
    }
    roles = new Map()
    for (const { name, roles: holders } of permissions.values()) {
      for (const role of holders) roles.set(role, (roles.get(role) ?? new Set()).add(name))
    }
  }

  function expand(name: string): string[] {
    if (name === '*') return [...permissions.keys()].filter((each) => !beyondWildcard.has(each))
    if (permissions.has(name)) return [name]
    if (name.endsWith(':*')) return [...permissions.keys()].filter((each) => each.startsWith(name.slice(0, -1)))
    return [...(byAlias.get(name) ?? [])]
  }

  return {
    add,
    addOperations(operations) {
      for (const { id, permission } of operations) {
        if (permission) add([{ ...permission, aliases: [...permission.aliases, id] }])
      }
    },
    all: () => [...permissions.values()].sort((a, b) => (a.name < b.name ? -1 : 1)),
    find(name) {
      const [only, ...more] = name.endsWith('*') ? [] : expand(name)
      return only !== undefined && more.length === 0 ? permissions.get(only)! : null
    },
    resolve(names) {
      const resolved = new Set<string>()
      const unknown: string[] = []
      for (const name of names) {
        const found = expand(name)
        if (found.length === 0) unknown.push(name)
        for (const each of found) resolved.add(each)
      }
      return { names: [...resolved], unknown }
    },
    ofRole: (role) => roles.get(role) ?? new Set(),
  }
}
