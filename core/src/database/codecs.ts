/**
 * Reading what the two drivers give back. SQLite is opened with safe integers (every integer is a bigint); pg gives int8 as
 * text, timestamptz as Date. Rows are mapped through these once, in the store, and nobody else sees a raw row.
 */

/** A row as the driver gave it. */
export type Row = Record<string, unknown>

export const text = (value: unknown): string => value as string
export const maybeText = (value: unknown): string | null => (value ?? null) as string | null

export function integer(value: unknown): number {
  return Number(value)
}

export function money(value: unknown): bigint {
  return BigInt(value as bigint | string | number)
}

export function boolean(value: unknown): boolean {
  return value === true || value === 1n || value === 1
}

export function iso(value: unknown): string {
  return value instanceof Date ? value.toISOString() : (value as string)
}

export function maybeIso(value: unknown): string | null {
  return value === null || value === undefined ? null : iso(value)
}

export function json<T>(value: unknown): T {
  return JSON.parse(value as string) as T
}

export function maybeJson<T>(value: unknown): T | null {
  return value === null || value === undefined ? null : json<T>(value)
}

export const toJson = (value: unknown): string => JSON.stringify(value)
