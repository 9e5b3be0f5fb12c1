import { isPlainObject } from './json-value.ts'
import { type FieldProblem, limits } from './limits.ts'
import { compilePattern } from './pattern-engine.ts'
import { type SchemaTree, fieldOf } from './schema-tree.ts'

/**
 * Refuses patterns that the linear-time engine cannot run or that compile to too much. Stops at the first one that is too
 * large, because compiling many such is itself slow.
 */
export function inspectPatterns(tree: SchemaTree): FieldProblem[] {
  const problems: FieldProblem[] = []
  let total = 0
  for (const { field, pattern } of listPatterns(tree)) {
    if (pattern.length > limits.patternLength) {
      problems.push({ field, message: `Shorten the pattern to at most ${limits.patternLength} characters` })
      continue
    }
    const size = measurePattern(pattern)
    if (size === undefined) {
      const message = 'Use RE2 syntax: no look-around, no back-references, no repeat counts above 1000'
      problems.push({ field, message })
      continue
    }
    total += size
    if (size <= limits.patternSize && total <= limits.patternSizeTotal) continue
    const message =
      size > limits.patternSize
        ? 'Simplify the pattern: lower its repeat counts'
        : 'Simplify or remove patterns: together they are too large'
    return [...problems, { field, message }]
  }
  return problems
}

function listPatterns(tree: SchemaTree): { field: string; pattern: string }[] {
  return [...tree.nodes.values()].flatMap((node) => {
    const { pattern, patternProperties } = node.schema
    const own = typeof pattern === 'string' ? [{ field: fieldOf(node, 'pattern'), pattern }] : []
    const keys = isPlainObject(patternProperties) ? Object.keys(patternProperties) : []
    return [...own, ...keys.map((key) => ({ field: fieldOf(node, 'patternProperties', key), pattern: key }))]
  })
}

function measurePattern(pattern: string): number | undefined {
  try {
    return compilePattern(pattern).programSize()
  } catch {
    return undefined
  }
}
