import type { JsonSize } from './json-value.ts'

/**
 * The schemas applied by checking a value of this size against a schema of this cost; 64 characters count as one value more,
 * because formats and lengths read them all. Both factors are bounded, but a validator does their product: a list of 20 000
 * numbers against 5 000 alternatives would be 100 million failures to record. Compare with `limits.checkWork`.
 */
export function measureCheckWork(cost: number, size: Pick<JsonSize, 'values' | 'characters'>): number {
  return cost * (size.values + size.characters / 64)
}
