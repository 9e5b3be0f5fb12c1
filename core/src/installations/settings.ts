import {
  applyUpdate,
  maskSecrets,
  mergeSecrets,
  splitSecrets,
  toSettingsObject,
  type Application,
  type CompiledSettings,
  type JsonObject,
} from '../applications/index.ts'
import { toJson, type Db } from '../database/index.ts'
import { nowIso, StoaError } from '../kernel/index.ts'
import type { InstallationsContext } from './context.ts'
import type { Installation } from './installation.ts'
import { swapInstallation } from './store.ts'

/** Without a schema of its own an application takes any settings within the bounds of the settings module. */
const anySettings = { type: 'object' }

/** The settings as a person may see them: defaults filled in, secrets masked. */
export async function readSettings(
  ctx: InstallationsContext,
  application: Application,
  installation: Installation,
): Promise<JsonObject> {
  const compiled = compile(ctx, application)
  return maskSecrets(compiled, compiled.withDefaults(await openSettings(ctx, compiled, installation)))
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

/** Both of what an instance shows about its settings. */
export async function describeSettings(
  ctx: InstallationsContext,
  application: Application,
  installation: Installation,
): Promise<{ settings: JsonObject; isConfigured: boolean }> {
  const compiled = compile(ctx, application)
  const whole = await openSettings(ctx, compiled, installation)
  // Where no schema says what is complete, an application with its own settings page has to have written something.
  const mustWrite = application.properties === null && application.configuredBy === 'application'
  return {
    settings: maskSecrets(compiled, compiled.withDefaults(whole)),
    isConfigured: mustWrite ? installation.configuredTime !== null : compiled.isConfigured(whole),
  }
}

export interface NewSettings {
  /** The whole settings, as they would be stored; secrets in the clear. */
  values: JsonObject
  /** Whether they differ from what is stored. */
  isChange: boolean
}

/**
 * What a PUT of settings would store. Absent and masked secrets keep their stored value, null clears one. Missing settings
 * are fine, wrong ones are refused with `invalid_settings`.
 */
export async function prepareSettings(
  ctx: InstallationsContext,
  application: Application,
  installation: Installation,
  incoming: unknown,
): Promise<NewSettings> {
  const compiled = compile(ctx, application)
  const given = toSettingsObject(incoming)
  if (!given) throw refusal([{ field: '', message: 'Send the settings as a JSON object' }])
  const stored = await openSettings(ctx, compiled, installation)
  const values = applyUpdate(compiled, stored, given)
  const wrong = compiled.check(values).filter(({ missing }) => !missing)
  if (wrong.length > 0) throw refusal(wrong)
  const now = toJson(sorted(compiled.withDefaults(values)))
  return { values, isChange: now !== toJson(sorted(compiled.withDefaults(stored))) }
}

/** Stores what `prepareSettings` made. `isFirst` when nothing was written before. */
export async function saveSettings(
  ctx: InstallationsContext,
  db: Db,
  application: Application,
  installation: Installation,
  values: JsonObject,
): Promise<{ installation: Installation; isFirst: boolean }> {
  const { open, secrets } = splitSecrets(compile(ctx, application), values)
  const now = nowIso(ctx.clock)
  const saved = await swapInstallation(db, installation, {
    settings: open,
    secrets: isEmpty(secrets) ? null : await ctx.secretBox.seal(toJson(secrets), rowOf(installation)),
    configuredTime: installation.configuredTime ?? now,
    updatedTime: now,
  })
  if (!saved) throw new StoaError('wrong_state')
  return { installation: saved, isFirst: installation.configuredTime === null }
}

function compile(ctx: InstallationsContext, application: Application): CompiledSettings {
  return ctx.settings.compile(application.properties ?? anySettings)
}

async function openSettings(
  ctx: InstallationsContext,
  compiled: CompiledSettings,
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

function isEmpty(object: JsonObject): boolean {
  return Object.keys(object).length === 0
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted)
  if (typeof value !== 'object' || value === null) return value
  const members = Object.entries(value).map(([key, member]): [string, unknown] => [key, sorted(member)])
  return Object.fromEntries(members.sort(([a], [b]) => (a < b ? -1 : 1)))
}
