import type { Db } from '../database/index.ts'
import type { Caller } from '../http/index.ts'
import { invalidField, StoaError } from '../kernel/index.ts'
import type { ApplicationChanges } from './application.ts'
import type { ApplicationsContext } from './context.ts'
import { findFile } from './file-store.ts'
import { normaliseSettingsSchema, vetSettingsSchema } from './settings-schema/index.ts'

/** Members as they came in; `properties` may be anything, and Baloom's surface has one redirect URI. */
export type ApplicationInput = Omit<ApplicationChanges, 'properties'> & {
  properties?: unknown
  redirectUri?: string | null
}

/** PHP's `[]` is an object again, and text loses the space around it. What the members mean is checked afterwards. */
export function normaliseInput(input: ApplicationInput): ApplicationChanges {
  const { properties, redirectUri, ...rest } = input
  if (redirectUri !== undefined) rest.redirectUris ??= redirectUri === null ? [] : [redirectUri]
  const members = Object.entries(rest)
    .filter(([, value]) => value !== undefined)
    .map(([member, value]) => [member, typeof value === 'string' ? checkText(member, value) : value])
  const changes = Object.fromEntries(members) as ApplicationChanges
  if (properties === undefined) return changes
  return { ...changes, properties: normaliseSettingsSchema(properties) as object | null }
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

/** Refuses values that have the right type and mean nothing here. Throws 422 that names the place. */
export async function checkChanges(
  ctx: ApplicationsContext,
  db: Db,
  caller: Caller,
  changes: ApplicationChanges,
): Promise<void> {
  if (changes.permissions) checkPermissions(ctx, changes.permissions)
  if (changes.properties) checkProperties(changes.properties)
  if (changes.configurationUrl != null) checkEndpoint('configurationUrl', changes.configurationUrl)
  for (const [index, uri] of (changes.redirectUris ?? []).entries()) checkEndpoint(`redirectUris.${index}`, uri)
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

function checkPermissions(ctx: ApplicationsContext, names: string[]): void {
  const unknown = names.flatMap((name, index) =>
    ctx.catalogue.resolve([name]).unknown.length > 0
      ? [{ field: `permissions.${index}`, message: `${name} is not a permission of this host` }]
      : [],
  )
  if (unknown.length > 0) throw new StoaError('unknown_permission', { invalidFields: unknown })
  const forbidden = names.flatMap((name, index) => {
    const barred = ctx.catalogue.resolve([name]).names.filter((each) => !ctx.catalogue.find(each)?.applications)
    if (barred.length === 0) return []
    const covered = barred.length === 1 && barred[0] === name ? name : `${name} (${barred.slice(0, 3).join(', ')})`
    return [{ field: `permissions.${index}`, message: `no application may hold ${covered}` }]
  })
  if (forbidden.length > 0) {
    const message = forbidden.map((each) => `${each.field}: ${each.message}`).join('; ')
    throw new StoaError('validation_failed', { message, invalidFields: forbidden })
  }
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

const loopback = new Set(['localhost', '127.0.0.1', '[::1]'])

/** An address that tokens or codes are sent along to: nobody on the way may read it, and nothing may be appended to it. */
function checkEndpoint(field: string, text: string): void {
  const url = parseUrl(field, text)
  const secure = url.protocol === 'https:' || (url.protocol === 'http:' && loopback.has(url.hostname))
  if (!secure) throw invalidField(field, 'must use https, or http on localhost, 127.0.0.1 or [::1]', 'invalid_url')
  if (text.includes('#')) throw invalidField(field, 'must not have a fragment', 'invalid_url')
}

function checkWebsite(text: string): void {
  const { protocol } = parseUrl('website', text)
  if (protocol !== 'https:' && protocol !== 'http:')
    throw invalidField('website', 'must use https or http', 'invalid_url')
}

function parseUrl(field: string, text: string): URL {
  // What URL() would repair (spaces, backslashes, a missing slash) is compared text by text elsewhere, so it must be right.
  if (!/^[a-z][a-z\d+.-]*:\/\/[^\s\\]+$/i.test(text) || !URL.canParse(text)) {
    throw invalidField(field, 'must be an absolute URL', 'invalid_url')
  }
  const url = new URL(text)
  if (url.username !== '' || url.password !== '') throw invalidField(field, 'must not carry a user name', 'invalid_url')
  return url
}
