import {
  applyUpdate,
  keepsSecrets,
  maskSecrets,
  mergeSecrets,
  splitSecrets,
  toSettingsObject,
  type Application,
  type JsonObject,
} from '../applications/index.ts'
import { toJson, type Db } from '../database/index.ts'
import { nowIso, StoaError } from '../kernel/index.ts'
import type { InstallationsContext } from './context.ts'
import type { Installation } from './installation.ts'
import { swapInstallation } from './store.ts'

/** Without a schema of its own an application takes any settings within the bounds of the settings module. */
const anySettings = { type: 'object' }

type Compiled = ReturnType<InstallationsContext['settings']['compile']>

/** The settings as a person may see them: defaults filled in, secrets masked. Nothing sealed is opened. */
export function readSettings(
  ctx: InstallationsContext,
  application: Application,
  installation: Installation,
): JsonObject {
  const compiled = compile(ctx, application)
  return compiled.withDefaults(maskedSettings(compiled, installation))
}

/**
 * The settings as the application itself reads them: secrets in the clear, because it is the one they were entered for.
 * People never get them back.
 */
export async function readSettingsInTheClear(
  ctx: InstallationsContext,
  application: Application,
  installation: Installation,
): Promise<JsonObject> {
  const compiled = compile(ctx, application)
  return compiled.withDefaults(await openSettings(ctx, compiled, installation))
}

/** Both of what an instance shows about its settings. Nothing sealed is opened. */
export function describeSettings(
  ctx: InstallationsContext,
  application: Application,
  installation: Installation,
): { settings: JsonObject; isConfigured: boolean } {
  const compiled = compile(ctx, application)
  const masked = maskedSettings(compiled, installation)
  // Where no schema says what is complete, an application with its own settings page has to have written something.
  const mustWrite = application.properties === null && application.configuredBy === 'application'
  return {
    settings: compiled.withDefaults(masked),
    isConfigured: mustWrite ? installation.configuredTime !== null : isConfigured(compiled, installation, masked),
  }
}

/**
 * Whether the settings are complete. With secrets that was found out when they were written, and holds as long as the schema
 * is the same. By a newer schema a secret that is there counts as right: nobody opens it to look.
 */
function isConfigured(compiled: Compiled, { shownSecrets }: Installation, masked: JsonObject): boolean {
  if (shownSecrets === null) return compiled.isConfigured(masked)
  if (shownSecrets.schema === compiled.fingerprint) return shownSecrets.isConfigured
  const secrets = new Set(compiled.secretPaths.map((path) => path.join('.')))
  return compiled.check(masked).every(({ field, missing }) => !missing && secrets.has(field))
}

/** Whether these settings, sent in place of what is stored, would change anything. A secret sent in the clear does. */
export function isSettingsChange(
  ctx: InstallationsContext,
  application: Application,
  installation: Installation,
  incoming: unknown,
): boolean {
  const compiled = compile(ctx, application)
  const masked = maskedSettings(compiled, installation)
  const after = applyUpdate(compiled, masked, settingsObject(incoming))
  return toJson(sorted(compiled.withDefaults(after))) !== toJson(sorted(compiled.withDefaults(masked)))
}

/**
 * What a PUT of settings would store: the whole settings, secrets in the clear. Absent and masked secrets keep their stored
 * value, null clears one. Missing settings are fine, wrong ones are refused with `invalid_settings`.
 */
export async function prepareSettings(
  ctx: InstallationsContext,
  application: Application,
  installation: Installation,
  incoming: unknown,
): Promise<JsonObject> {
  const compiled = compile(ctx, application)
  const given = settingsObject(incoming)
  // Where every secret is entered anew nothing has to be opened, and what was lost with a key can be put right.
  const isOpened = keepsSecrets(compiled, installation.shownSecrets?.masks ?? {}, given)
  const stored = isOpened ? await openSettings(ctx, compiled, installation) : installation.settings
  const values = applyUpdate(compiled, stored, given)
  const wrong = compiled.check(values).filter(({ missing }) => !missing)
  if (wrong.length > 0) throw refusal(wrong)
  return values
}

/** Stores what `prepareSettings` made. `isFirst` when nothing was written before. */
export async function saveSettings(
  ctx: InstallationsContext,
  db: Db,
  application: Application,
  installation: Installation,
  values: JsonObject,
): Promise<{ installation: Installation; isFirst: boolean }> {
  const compiled = compile(ctx, application)
  const { open, secrets } = splitSecrets(compiled, values)
  const hasSecrets = Object.keys(secrets).length > 0
  const now = nowIso(ctx.clock)
  const saved = await swapInstallation(db, installation, {
    settings: open,
    secrets: hasSecrets ? await ctx.secretBox.seal(toJson(secrets), rowOf(installation)) : null,
    shownSecrets: hasSecrets
      ? {
          masks: maskSecrets(compiled, secrets),
          isConfigured: compiled.isConfigured(values),
          schema: compiled.fingerprint,
        }
      : null,
    configuredTime: installation.configuredTime ?? now,
    updatedTime: now,
  })
  if (!saved) throw new StoaError('wrong_state')
  return { installation: saved, isFirst: installation.configuredTime === null }
}

function compile(ctx: InstallationsContext, application: Application): Compiled {
  return ctx.settings.compile(application.properties ?? anySettings)
}

function maskedSettings(compiled: Compiled, { settings, shownSecrets }: Installation): JsonObject {
  return shownSecrets === null ? settings : mergeSecrets(compiled, settings, shownSecrets.masks)
}

function settingsObject(incoming: unknown): JsonObject {
  const given = toSettingsObject(incoming)
  if (!given) throw refusal([{ field: '', message: 'Send the settings as a JSON object' }])
  return given
}

async function openSettings(
  ctx: InstallationsContext,
  compiled: Compiled,
  installation: Installation,
): Promise<JsonObject> {
  if (installation.secrets === null) return installation.settings
  const secrets = JSON.parse(await ctx.secretBox.open(installation.secrets, rowOf(installation))) as JsonObject
  return mergeSecrets(compiled, installation.settings, secrets)
}

function rowOf(installation: Installation): string {
  return `installation:${installation.id}:settings`
}

function refusal(problems: { field: string; message: string }[]): StoaError {
  const invalidFields = problems.map(({ field, message }) => ({
    field: field === '' ? 'settings' : `settings.${field}`,
    message,
  }))
  const { field, message } = invalidFields[0]!
  return new StoaError('invalid_settings', { message: `${field}: ${message}`, invalidFields })
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted)
  if (typeof value !== 'object' || value === null) return value
  const members = Object.entries(value).map(([key, member]): [string, unknown] => [key, sorted(member)])
  return Object.fromEntries(members.sort(([a], [b]) => (a < b ? -1 : 1)))
}
