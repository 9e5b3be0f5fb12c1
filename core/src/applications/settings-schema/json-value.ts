import type { FieldProblem } from './limits.ts'

export type JsonObject = Record<string, unknown>

/** Whether the value is what `JSON.parse` makes of `{…}`: no array, no class instance. */
export function isPlainObject(value: unknown): value is JsonObject {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === Object.prototype || prototype === null
}

/** Whether it is `[]`, which is how PHP writes an empty object. */
export function isEmptyArray(value: unknown): boolean {
  return Array.isArray(value) && value.length === 0
}

/** What stands at the end of a path of own properties of plain objects; undefined when something on the way is not there. */
export function valueAt(value: unknown, path: readonly string[]): unknown {
  return path.reduce<unknown>((at, key) => (isPlainObject(at) ? ownValue(at, key) : undefined), value)
}

/** Own property or undefined; never something inherited, such as `toString`. */
export function ownValue(object: JsonObject, key: string): unknown {
  return Object.hasOwn(object, key) ? object[key] : undefined
}

export interface JsonSize {
  /** Values at every level, the root included. */
  values: number
  /** Characters of all strings and keys. */
  characters: number
  problem: FieldProblem | undefined
}

interface Pending {
  value: unknown
  depth: number
  key: string
  parent: Pending | undefined
}

/**
 * Measures a value without recursion and stops at the first bound it passes, so that deep, huge or cyclic values cost no
 * more than the bound. Refuses `__proto__` keys and what JSON cannot say; an `undefined` property counts as absent.
 */
export function measureJson(root: unknown, bounds: { bytes: number; depth: number; subject: string }): JsonSize {
  const size: JsonSize = { values: 0, characters: 0, problem: undefined }
  const pending: Pending[] = [{ value: root, depth: 0, key: '', parent: undefined }]
  let bytes = 0
  const refuse = (at: Pending, message: string): JsonSize => ({ ...size, problem: { field: fieldOf(at), message } })
  const countText = (text: string): void => {
    size.characters += text.length
    // The cheap lower bound first: escaping a text that is too long anyway would cost its whole length.
    bytes += text.length > bounds.bytes ? text.length : Buffer.byteLength(JSON.stringify(text))
  }

  for (let at = pending.pop(); at !== undefined; at = pending.pop()) {
    const { value, depth } = at
    size.values += 1
    bytes += 1
    if (typeof value === 'string') countText(value)
    else if (typeof value === 'number' && Number.isFinite(value)) bytes += String(value).length
    else if (typeof value === 'boolean' || value === null) bytes += 4
    else if (Array.isArray(value) || isPlainObject(value)) {
      if (depth >= bounds.depth) return refuse(at, `Nest ${bounds.subject} at most ${bounds.depth} levels deep`)
      bytes += 1
      const keys = Object.keys(value)
      for (const key of keys) {
        const child = { value: (value as JsonObject)[key], depth: depth + 1, key, parent: at }
        if (key === '__proto__') return refuse(child, 'Rename it: __proto__ is not allowed')
        if (child.value === undefined && !Array.isArray(value)) continue
        if (!Array.isArray(value)) countText(key)
        pending.push(child)
      }
      // What waits to be counted is at least one byte a value.
      if (bytes + pending.length > bounds.bytes) return tooBig(size, bounds)
    } else return refuse(at, 'Use a JSON value: text, a finite number, true, false, null, a list or an object')
    if (bytes > bounds.bytes) return tooBig(size, bounds)
  }
  return size
}

function tooBig(size: JsonSize, bounds: { bytes: number; subject: string }): JsonSize {
  return { ...size, problem: { field: '', message: `Keep ${bounds.subject} under ${bounds.bytes / 1024} KB of JSON` } }
}

function fieldOf(at: Pending): string {
  const keys: string[] = []
  for (let step: Pending | undefined = at; step?.parent !== undefined; step = step.parent) keys.unshift(step.key)
  return dotPath(keys)
}

/** Joins keys to a dot path. Keys come from strangers, so the path is cut at 200 characters. */
export function dotPath(keys: readonly string[]): string {
  const path = keys.join('.')
  return path.length > 200 ? `${path.slice(0, 199)}…` : path
}

/** One text per value, whatever the order of its keys: equal texts mean equal JSON values. */
export function canonicalJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`
  if (!isPlainObject(value)) return JSON.stringify(value) ?? 'null'
  const members = Object.keys(value)
    .toSorted()
    .map((key) => `${JSON.stringify(key)}:${canonicalJson(value[key])}`)
  return `{${members.join(',')}}`
}
