import type { Db } from '../database/index.ts'
import type { Caller } from '../http/index.ts'
import { invalidField, StoaError } from '../kernel/index.ts'
import type { Application, ApplicationChanges, CoreMembers } from './application.ts'
import { checkEndpoint, checkRedirectUri, checkWebsite } from './check-address.ts'
import { checkJwks } from './check-jwks.ts'
import type { ApplicationsContext } from './context.ts'
import { findFile } from './file-store.ts'
import { normaliseSettingsSchema, vetSettingsSchema } from './settings-schema/index.ts'

/** Members as they came in; `properties` and `jwks` may be anything, and Baloom's surface has one redirect URI. */
export type ApplicationInput = Omit<ApplicationChanges, 'properties' | 'jwks'> & {
  properties?: unknown
  jwks?: unknown
  redirectUri?: string | null
}

/**
 * PHP's `[]` is an object again, text loses the space around it, keys what is not part of them. What the members mean is checked
 * afterwards. `present` is what is to be changed: its first redirect URI sent back alone changes none of the others.
 */
export function normaliseInput(
  input: ApplicationInput,
  present: Pick<Application, 'redirectUris'> | null = null,
): ApplicationChanges {
  const { properties, redirectUri, jwks, ...rest } = input
  if (redirectUri !== undefined) {
    if (rest.redirectUris !== undefined) {
      throw invalidField('redirectUri', 'is the first of redirectUris; send one of the two, not both')
    }
    const isUnchanged = redirectUri === (present?.redirectUris[0] ?? null)
    rest.redirectUris = isUnchanged && present ? present.redirectUris : redirectUri === null ? [] : [redirectUri]
  }
  const members = Object.entries(rest)
    .filter(([, value]) => value !== undefined)
    .map(([member, value]) => [member, typeof value === 'string' ? checkText(member, value) : value])
  const changes = Object.fromEntries(members) as ApplicationChanges
  if (jwks !== undefined) changes.jwks = jwks === null ? null : checkJwks(jwks)
  if (properties !== undefined) changes.properties = normaliseSettingsSchema(properties) as object | null
  return changes
}

/** The text without the space around it. Refused when nothing is left, or when it has control characters. */
export function checkText(field: string, value: string): string {
  const text = value.trim()
  if (text === '') throw invalidField(field, 'must not be blank')
  // PostgreSQL keeps no U+0000 in text and would fail on it; the others are never meant.
  // eslint-disable-next-line no-control-regex
  if (/[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f]/.test(text)) {
    throw invalidField(field, 'must not contain control characters')
  }
  return text
}

/** What a new application has until it says otherwise, and what its first members are judged with. */
export const coreDefaults: CoreMembers = {
  permissions: [],
  optionalPermissions: [],
  properties: null,
  configurationUrl: null,
  redirectUris: [],
  installsOn: 'any',
  clientType: 'confidential',
  requiresPkce: true,
}

/**
 * Refuses values that have the right type and mean nothing here, alone or beside those that stay (`present`). Throws 422 that
 * names the place.
 */
export async function checkChanges(
  ctx: ApplicationsContext,
  db: Db,
  caller: Caller,
  changes: ApplicationChanges,
  present: CoreMembers,
): Promise<void> {
  const next = { ...present, ...changes }
  if (changes.permissions) checkPermissions(ctx, 'permissions', changes.permissions)
  if (changes.optionalPermissions) checkPermissions(ctx, 'optionalPermissions', changes.optionalPermissions)
  if (changes.permissions || changes.optionalPermissions) checkOptional(ctx, next)
  if (changes.properties) checkProperties(changes.properties)
  if (changes.configurationUrl != null) checkEndpoint('configurationUrl', changes.configurationUrl)
  if (changes.redirectUris || changes.clientType) {
    for (const [index, uri] of next.redirectUris.entries()) {
      checkRedirectUri(`redirectUris.${index}`, uri, next.clientType)
    }
  }
  if (!next.requiresPkce && next.clientType !== 'confidential') {
    const message = `may be false for a confidential client only; without a secret, PKCE is all that keeps a code from being stolen`
    throw invalidField('requiresPkce', message)
  }
  if (changes.website != null) checkWebsite(changes.website)
  for (const member of ['logoId', 'authorLogoId'] as const) {
    const fileId = changes[member]
    if (fileId == null) continue
    const file = await findFile(db, fileId)
    if (file?.organizationId !== caller.organizationId) {
      throw invalidField(member, 'must be the id of a file that this organization uploaded with POST /files')
    }
  }
}

function checkPermissions(ctx: ApplicationsContext, field: string, names: string[]): void {
  const unknown = names.flatMap((name, index) =>
    ctx.catalogue.resolve([name]).unknown.length > 0
      ? [{ field: `${field}.${index}`, message: `${name} is not a permission of this host` }]
      : [],
  )
  if (unknown.length > 0) throw new StoaError('unknown_permission', { invalidFields: unknown })
  const forbidden = names.flatMap((name, index) => {
    const barred = ctx.catalogue.resolve([name]).names.filter((each) => !ctx.catalogue.find(each)?.applications)
    if (barred.length === 0) return []
    const covered = barred.length === 1 && barred[0] === name ? name : `${name} (${barred.slice(0, 3).join(', ')})`
    return [{ field: `${field}.${index}`, message: `no application may hold ${covered}` }]
  })
  refuseFields(forbidden)
}

/** A wildcard that reaches further than what is required anyway is no repetition. */
function checkOptional(ctx: ApplicationsContext, { permissions, optionalPermissions }: CoreMembers): void {
  const required = new Set(ctx.catalogue.resolve(permissions).names)
  const repeated = optionalPermissions.flatMap((name, index) => {
    const { names } = ctx.catalogue.resolve([name])
    if (names.length === 0 || names.some((each) => !required.has(each))) return []
    return [{ field: `optionalPermissions.${index}`, message: `${name} is among the required permissions already` }]
  })
  refuseFields(repeated)
}

function refuseFields(invalidFields: { field: string; message: string }[]): void {
  if (invalidFields.length === 0) return
  const message = invalidFields.map((each) => `${each.field}: ${each.message}`).join('; ')
  throw new StoaError('validation_failed', { message, invalidFields })
}

function checkProperties(properties: object): void {
  const problems = vetSettingsSchema(properties)
  if (problems.length === 0) return
  throw new StoaError('invalid_settings_schema', {
    invalidFields: problems.map(({ field, message }) => ({
      field: field === '' ? 'properties' : `properties.${field}`,
      message,
    })),
  })
}
