import type { Catalogue } from '../access/index.ts'
import type { CoreMembers } from './application.ts'

/** What an application asks for, in canonical names of those permissions that applications may hold. */
export interface AskedPermissions {
  required: string[]
  /** None that is required too. */
  optional: string[]
}

export function askedPermissions(
  catalogue: Catalogue,
  { permissions, optionalPermissions }: Pick<CoreMembers, 'permissions' | 'optionalPermissions'>,
): AskedPermissions {
  const canonical = (names: string[]) =>
    catalogue
      .resolve(names)
      .names.filter((name) => catalogue.find(name)?.applications)
      .sort()
  const required = canonical(permissions)
  return { required, optional: canonical(optionalPermissions).filter((name) => !required.includes(name)) }
}
