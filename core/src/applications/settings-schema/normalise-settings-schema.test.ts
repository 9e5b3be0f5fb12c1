import { expect, test } from 'vitest'
import { normaliseSettingsSchema } from './index.ts'

test('[] becomes {} wherever a schema or a map of schemas is due', () => {
  expect(normaliseSettingsSchema([])).toEqual({})
  const php = {
    properties: {
      a: [],
      b: { type: 'object', properties: [], default: [] },
      c: { items: [], additionalProperties: [] },
    },
    definitions: [],
    patternProperties: { '^x': [] },
    dependencies: { a: [], b: ['a'] },
    allOf: [[], { not: [] }],
  }
  expect(normaliseSettingsSchema(php)).toEqual({
    properties: {
      a: {},
      b: { type: 'object', properties: {}, default: {} },
      c: { items: {}, additionalProperties: {} },
    },
    definitions: {},
    patternProperties: { '^x': {} },
    dependencies: { a: [], b: ['a'] },
    allOf: [{}, { not: {} }],
  })
})

test('[] stays where a list is due', () => {
  const schema = { required: [], enum: [[]], default: [], allOf: [], 'x-list': [], properties: { type: { const: [] } } }
  expect(normaliseSettingsSchema(schema)).toEqual(schema)
})

test('the input is not changed, and what is not a schema is returned as it is', () => {
  const schema = { properties: [] as unknown[] }
  normaliseSettingsSchema(schema)
  expect(schema).toEqual({ properties: [] })
  for (const value of [null, 5, 'x', [1]]) expect(normaliseSettingsSchema(value)).toBe(value)
})

test('a schema nested without end does not overflow the stack', () => {
  const deep: unknown = JSON.parse(`${'{"not":'.repeat(20_000)}{}${'}'.repeat(20_000)}`)
  expect(() => normaliseSettingsSchema(deep)).not.toThrow()
})
