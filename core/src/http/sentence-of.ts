import type { InvalidField } from '../kernel/index.ts'

/** The first few refused fields as one line for people. */
export function sentenceOf(fields: InvalidField[]): string {
  return fields
    .slice(0, 5)
    .map(({ field, message }) => `${field} ${message}`)
    .join('; ')
}
