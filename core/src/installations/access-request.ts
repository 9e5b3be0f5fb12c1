import { askedPermissions, type Application } from '../applications/index.ts'
import type { Caller } from '../http/index.ts'
import { invalidField, StoaError } from '../kernel/index.ts'
import type { InstallationsContext } from './context.ts'
import type { Installation } from './installation.ts'

/** What a version asks of a target, against what the target has granted already. Canonical names, sorted. */
export interface AccessRequest {
  version: number
  required: string[]
  optional: string[]
  /** What is granted now and still asked for; nothing when it is not installed. */
  granted: string[]
  /** Required and not granted. */
  missing: string[]
}

/** What the version in force asks for, and what is missing of it. Without an installation everything required is. */
export function accessRequestOf(
  ctx: InstallationsContext,
  application: Application,
  installation: Installation | null,
): AccessRequest {
  const { required, optional } = askedPermissions(ctx.catalogue, application)
  const asked = new Set([...required, ...optional])
  const isInstalled = installation !== null && installation.uninstalledTime === null
  const granted = isInstalled ? installation.grant.filter((name) => asked.has(name)) : []
  const missing = required.filter((name) => !granted.includes(name))
  return { version: application.version, required, optional, granted, missing }
}

/** Whether what is missing waits for an answer: a version that was refused asks no more, and nobody asks what was uninstalled. */
export function isPending({ missing, version }: AccessRequest, installation: Installation): boolean {
  return missing.length > 0 && installation.uninstalledTime === null && installation.refusedVersion !== version
}

/**
 * The optional permissions that somebody chose, by names or aliases, as canonical names. Required ones may be named too; they
 * are granted in any case. Throws `unknown_permission`, or `validation_failed` for what the application does not ask for.
 */
export function chosenOptional(ctx: InstallationsContext, application: Application, names: string[]): string[] {
  const { required, optional } = askedPermissions(ctx.catalogue, application)
  const chosen = new Set<string>()
  for (const [index, name] of names.entries()) {
    const field = `optionalPermissions.${index}`
    const meant = ctx.catalogue.resolve([name])
    if (meant.unknown.length > 0) {
      throw invalidField(field, `${name} is not a permission of this host`, 'unknown_permission')
    }
    for (const each of meant.names) {
      if (optional.includes(each)) chosen.add(each)
      // An alias may stand for several; those that no application can hold are nobody's to ask for or to choose.
      else if (!required.includes(each) && ctx.catalogue.find(each)?.applications) {
        throw invalidField(field, `the application does not ask for ${each}`)
      }
    }
    if (!meant.names.some((each) => optional.includes(each) || required.includes(each))) {
      throw invalidField(field, `the application does not ask for ${name}`)
    }
  }
  return [...chosen].sort()
}

/**
 * Throws `rights_exceeded` for what the caller may not do themselves. Permissions that no role has belong to the embedder's
 * own API: nobody could ever grant them otherwise.
 */
export function assertMayGrant(ctx: InstallationsContext, caller: Caller, names: string[]): void {
  const lacking = names.filter((name) => {
    const isAnybodys = ctx.catalogue.find(name)?.roles.length === 0
    return !isAnybodys && !caller.permissions.has(name)
  })
  if (lacking.length === 0) return
  throw new StoaError('rights_exceeded', {
    message: `The application asks for rights you do not have yourself: ${lacking.join(', ')}.`,
    details: { missingPermissions: lacking },
  })
}

/** Both, each name once and sorted: equal grants are written equal. */
export function union(...lists: string[][]): string[] {
  return [...new Set(lists.flat())].sort()
}

export function without(names: string[], removed: string[]): string[] {
  return names.filter((name) => !removed.includes(name))
}
