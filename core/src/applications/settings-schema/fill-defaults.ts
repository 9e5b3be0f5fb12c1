import { type JsonObject, isPlainObject, ownValue } from './json-value.ts'
import { limits } from './limits.ts'
import type { SchemaNode } from './schema-tree.ts'

/** How many bytes of defaults may still be added. Shared by one whole settings object. */
export interface DefaultsBudget {
  left: number
}

export function createDefaultsBudget(): DefaultsBudget {
  return { left: limits.defaultsBytes }
}

/**
 * The value with the defaults of absent properties filled in, also inside objects and list items that are there. Like Ajv's
 * `useDefaults` it ignores defaults inside anyOf, oneOf, not and if; unlike it, it copies what it changes, follows `$ref`
 * to a default, and goes on where the value is wrong. Once the budget is spent nothing more is filled in.
 */
export function fillDefaults(node: SchemaNode, value: unknown, budget: DefaultsBudget): unknown {
  let filled = value
  if (node.target) filled = fillDefaults(node.target, filled, budget)
  if (isPlainObject(filled)) filled = fillProperties(node, filled, budget)
  else if (Array.isArray(filled)) filled = fillItems(node, filled, budget)
  for (const { keyword, node: child } of node.children) {
    if (keyword === 'allOf') filled = fillDefaults(child, filled, budget)
  }
  return filled
}

function fillProperties(node: SchemaNode, object: JsonObject, budget: DefaultsBudget): JsonObject {
  let copy: JsonObject | undefined
  for (const { keyword, key, node: child } of node.children) {
    if (keyword !== 'properties' || key === undefined) continue
    const present = ownValue(object, key)
    const value = present === undefined ? takeDefault(child, budget) : present
    if (value === undefined) continue
    const filled = fillDefaults(child, value, budget)
    if (filled === present) continue
    copy ??= { ...object }
    copy[key] = filled
  }
  return copy ?? object
}

function fillItems(node: SchemaNode, list: unknown[], budget: DefaultsBudget): unknown[] {
  const children = node.children.filter(({ keyword }) => keyword === 'items')
  if (children.length === 0) return list
  const filled = list.map((item, index) => {
    const child = children.find(({ key }) => key === undefined || key === String(index))
    return child ? fillDefaults(child.node, item, budget) : item
  })
  return filled.some((item, index) => item !== list[index]) ? filled : list
}

function takeDefault(node: SchemaNode, budget: DefaultsBudget): unknown {
  const own = ownValue(node.schema, 'default')
  if (own === undefined) return node.target && takeDefault(node.target, budget)
  if (budget.left < 0) return undefined
  budget.left -= JSON.stringify(own).length
  // Cloned, so that whoever changes the result does not change the schema.
  return budget.left < 0 ? undefined : structuredClone(own)
}
