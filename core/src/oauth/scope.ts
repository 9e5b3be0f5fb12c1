import type { Catalogue } from '../access/index.ts'
import { askedPermissions, type Application } from '../applications/index.ts'
import { StoaError } from '../kernel/index.ts'

/** The names in a scope, each once (RFC 6749 section 3.3). */
export function namesIn(scope: string): string[] {
  return [...new Set(scope.split(' ').filter((name) => name !== ''))]
}

/** What an authorization is for when its client asked for all there was: also for what the merchant grants it later. */
const whole = '*'

/** How a requested scope is kept. */
export function scopeText(application: Application, names: string[]): string {
  const asked = [...application.permissions, ...application.optionalPermissions]
  return asked.every((name) => names.includes(name)) ? whole : names.join(' ')
}

/** The names that a kept scope stands for now. */
export function scopeNames(application: Application, scope: string): string[] {
  return scope === whole
    ? [...new Set([...application.permissions, ...application.optionalPermissions])]
    : namesIn(scope)
}

/**
 * The names of a requested scope; all that the application asks for when none was requested. Throws `invalid_scope` for a name
 * that is unknown, or stands for more than the application asks for.
 */
export function requestedScope(catalogue: Catalogue, application: Application, scope: string | null): string[] {
  if (scope === null) return [...new Set([...application.permissions, ...application.optionalPermissions])]
  if (!/^[\x21\x23-\x5b\x5d-\x7e]+(?: +[\x21\x23-\x5b\x5d-\x7e]+)*$/.test(scope)) {
    throw new StoaError('invalid_scope', { message: 'scope must be names with a space between them.' })
  }
  const asked = new Set([...application.permissions, ...application.optionalPermissions])
  const { required, optional } = askedPermissions(catalogue, application)
  const covered = new Set([...required, ...optional])
  for (const name of namesIn(scope)) {
    const { names } = catalogue.resolve([name])
    const isAsked = asked.has(name) || (names.length > 0 && names.every((each) => covered.has(each)))
    if (!isAsked) {
      throw new StoaError('invalid_scope', { message: `The application does not ask for the scope ${name}.` })
    }
  }
  return namesIn(scope)
}

/** Those of the names that are granted: all that an application may hold of what the name stands for. */
export function grantedScope(catalogue: Catalogue, names: string[], granted: ReadonlySet<string>): string[] {
  return names.filter((name) => {
    const covered = permissionsIn(catalogue, [name])
    return covered.length > 0 && covered.every((each) => granted.has(each))
  })
}

/** What the names stand for, in canonical names of permissions that applications may hold. */
export function permissionsIn(catalogue: Catalogue, names: string[]): string[] {
  return catalogue.resolve(names).names.filter((name) => catalogue.find(name)?.applications)
}
