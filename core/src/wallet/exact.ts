import { microsNumber, microsText, Type, type Micros } from '../kernel/index.ts'

/**
 * An amount in a request of ours: a JSON number, or decimal text for those who keep exact decimals. What does not fit into
 * micro-units is refused by the rule, with a sentence that says why.
 */
export const Decimal = Type.Union([Type.Number(), Type.String({ maxLength: 40 })])

/** Amounts as JSON numbers, the shape of HighLevel's contract, and beside them exactly, as decimal text. */
export function amounts<const Name extends string>(
  values: Record<Name, Micros>,
): Record<Name, number> & { exact: Record<Name, string> } {
  const entries = Object.entries(values) as [Name, Micros][]
  const numbers = Object.fromEntries(entries.map(([name, value]) => [name, microsNumber(value)])) as Record<
    Name,
    number
  >
  const exact = Object.fromEntries(entries.map(([name, value]) => [name, microsText(value)])) as Record<Name, string>
  return { ...numbers, exact }
}

export const ExactText = Type.String({ pattern: '^-?\\d+(\\.\\d{1,6})?$', description: 'Decimal text, exact.' })

/** Text that both databases keep as it is: no NUL, which PostgreSQL refuses, and no half of a surrogate pair, which changes. */
export const StorableText = (maxLength: number, description?: string) =>
  Type.String({ maxLength, pattern: '^[^\\u0000\\p{Surrogate}]*$', ...(description && { description }) })
