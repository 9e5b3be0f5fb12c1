import type { CompiledSettings } from './compile-settings.ts'
import { type JsonObject, isEmptyArray, isPlainObject, ownValue, valueAt } from './json-value.ts'
import { toSettingsObject } from './normalise-settings-schema.ts'

/** What stands in a response for a secret that is stored. `last4` is null when four characters would give away too much. */
export interface SecretMask {
  set: true
  last4: string | null
}

type WithSecrets = Pick<CompiledSettings, 'secretPaths'>

/** Takes the secrets out. Both parts keep the shape of the whole; mergeSecrets puts them together again. */
export function splitSecrets(compiled: WithSecrets, values: JsonObject): { open: JsonObject; secrets: JsonObject } {
  let open = values
  let secrets: JsonObject = {}
  for (const path of compiled.secretPaths) {
    const value = valueAt(values, path)
    if (value === undefined) continue
    open = withoutPath(open, path)
    secrets = withPath(secrets, path, value)
  }
  return { open, secrets }
}

/**
 * Puts the secrets back. Only what the schema calls secret is taken from `secrets`: a stored secret whose mark a newer
 * schema dropped does not come out in the open.
 */
export function mergeSecrets(compiled: WithSecrets, open: JsonObject, secrets: JsonObject): JsonObject {
  return compiled.secretPaths.reduce((merged, path) => {
    const value = valueAt(secrets, path)
    return value === undefined ? merged : withPath(merged, path, value)
  }, open)
}

/** The settings as they may be shown: each secret that has a value is replaced by its mask. */
export function maskSecrets(compiled: WithSecrets, values: JsonObject): JsonObject {
  return compiled.secretPaths.reduce((masked, path) => {
    const value = valueAt(values, path)
    return value === undefined || value === null ? masked : withPath(masked, path, maskValue(value))
  }, values)
}

/**
 * What is stored after a PUT of settings: the incoming settings, with the stored secrets kept where the incoming ones are
 * absent or a mask. `null` clears a secret, and null for an object clears the secrets in it. The result is unchecked: pass
 * it to `check`, which is where anything else in the place of such an object is refused. A mask that stands for nothing stored is dropped.
 *
 * @param stored whole settings, secrets included
 * @param incoming as sent; `[]` is taken for `{}`. Settle with toSettingsObject first whether it is an object at all.
 */
export function applyUpdate(compiled: WithSecrets, stored: JsonObject, incoming: JsonObject | []): JsonObject {
  return compiled.secretPaths.reduce(
    (updated, path) => {
      const sent = valueAt(updated, path)
      if (sent === null) return withoutPath(updated, path)
      if (sent !== undefined && !isMask(sent)) return updated
      const kept = valueAt(stored, path)
      if (kept !== undefined && kept !== null) return withPath(updated, path, kept)
      return sent === undefined ? updated : withoutPath(updated, path)
    },
    toSettingsObject(incoming) ?? {},
  )
}

/**
 * Whether applyUpdate would keep any of the stored secrets, so that they have to be opened.
 *
 * @param masks the stored secrets, masked
 */
export function keepsSecrets(compiled: WithSecrets, masks: JsonObject, incoming: JsonObject): boolean {
  const updated = applyUpdate(compiled, masks, incoming)
  // By identity: what was sent may look just like the mask.
  return compiled.secretPaths.some((path) => {
    const mask = valueAt(masks, path)
    return mask !== undefined && valueAt(updated, path) === mask
  })
}

function maskValue(value: unknown): SecretMask {
  return { set: true, last4: typeof value === 'string' && value.length >= 12 ? value.slice(-4) : null }
}

function isMask(value: unknown): boolean {
  if (!isPlainObject(value) || ownValue(value, 'set') !== true) return false
  return Object.keys(value).every((key) => key === 'set' || key === 'last4')
}

/** A copy with the value at the path. Parents that are absent, or PHP's `[]`, become objects; others stay in the way. */
function withPath(object: JsonObject, path: readonly string[], value: unknown): JsonObject {
  const [key, ...rest] = path
  if (key === undefined) return object
  if (rest.length === 0) return { ...object, [key]: value }
  const child = ownValue(object, key)
  if (child !== undefined && !isPlainObject(child) && !isEmptyArray(child)) return object
  return { ...object, [key]: withPath(isPlainObject(child) ? child : {}, rest, value) }
}

function withoutPath(object: JsonObject, path: readonly string[]): JsonObject {
  const [key, ...rest] = path
  const child = key === undefined ? undefined : ownValue(object, key)
  if (key === undefined || child === undefined) return object
  if (isPlainObject(child) && rest.length > 0) return { ...object, [key]: withoutPath(child, rest) }
  const { [key]: _removed, ...others } = object
  return rest.length > 0 ? object : others
}
