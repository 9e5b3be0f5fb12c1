import { RE2JS } from 're2js'
import { limits } from './limits.ts'

/**
 * Compiles a JavaScript pattern for the linear-time engine.
 *
 * @throws when RE2 has no such construct: look-around, back-references, counted repeats above 1000.
 */
export function compilePattern(pattern: string): RE2JS {
  return RE2JS.compile(RE2JS.translateRegExp(pattern))
}

export interface PatternEngine {
  /** For Ajv's `code.regExp`. */
  regExp: { (pattern: string): { test(text: string): boolean }; code: string }
  /** Starts a new pass with a full budget. */
  start(): void
  /** Whether the pass ran out of budget; then its answer means nothing. */
  isExhausted(): boolean
}

/**
 * Regular expressions for one validator. RE2 makes each match linear, but in pattern size times text length, which still
 * multiplies to minutes; so the pass as a whole has a budget, counted before each match.
 */
export function createPatternEngine(): PatternEngine {
  let left: number = limits.patternWork
  const regExp = (pattern: string) => {
    const compiled = compilePattern(pattern)
    const size = compiled.programSize()
    return {
      test: (text: string): boolean => {
        left -= size * (text.length + 1)
        return left >= 0 && compiled.test(text)
      },
      // Ajv keys its patterns by this text. Without it all patterns of a schema become the first one.
      toString: (): string => `re2:/${pattern}/`,
    }
  }
  return {
    regExp: Object.assign(regExp, { code: 'stoaRe2' }),
    start: () => void (left = limits.patternWork),
    isExhausted: () => left < 0,
  }
}
