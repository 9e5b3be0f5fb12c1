import { describe, expect, test } from 'vitest'
import { createSettingsCompiler, vetSettingsSchema } from './index.ts'

const fieldsOf = (schema: unknown): string[] => vetSettingsSchema(schema).map(({ field }) => field)
const messageOf = (schema: unknown): string => vetSettingsSchema(schema)[0]?.message ?? ''
const compile = (schema: object) => createSettingsCompiler({ cacheSize: 8 }).compile(schema)
const parse = (text: string): unknown => JSON.parse(text)
const manyProperties = (length: number) => ({
  type: 'object',
  properties: Object.fromEntries(Array.from({ length }, (_, n) => [`p${n}`, { type: 'string' }])),
})

describe('size', () => {
  test('2000 properties are refused, 299 are not', () => {
    expect(messageOf(manyProperties(2000))).toMatch(/fewer settings/)
    expect(messageOf(manyProperties(300))).toMatch(/fewer settings/)
    expect(vetSettingsSchema(manyProperties(299))).toEqual([])
  })

  test('2000 alternatives are refused', () => {
    expect(messageOf({ oneOf: Array.from({ length: 2000 }, (_, n) => ({ required: [`a${n}`] })) })).toMatch(/fewer/)
  })

  test('more than 64 KB are refused, in one text or in many values', () => {
    expect(messageOf({ description: 'x'.repeat(65_536) })).toMatch(/64 KB/)
    expect(messageOf({ description: '\u0001'.repeat(12_000) })).toMatch(/64 KB/)
    expect(messageOf(manyProperties(30_000))).toMatch(/64 KB/)
    expect(messageOf({ 'x-list': Array(70_000).fill(0) })).toMatch(/64 KB/)
    expect(vetSettingsSchema({ description: 'x'.repeat(60_000) })).toEqual([])
  })

  test('depth is bounded before anything recurses', () => {
    const deep = parse(`${'{"not":'.repeat(10_000)}{}${'}'.repeat(10_000)}`)
    const deepList = parse(`{"x-list":${'['.repeat(20_000)}${']'.repeat(20_000)}}`)
    expect(messageOf(deep)).toMatch(/levels deep/)
    expect(messageOf(deepList)).toMatch(/levels deep/)
  })

  test('subschemas nest 20 deep, no more', () => {
    const nest = (levels: number): object => (levels === 0 ? {} : { allOf: [nest(levels - 1)] })
    expect(vetSettingsSchema(nest(19))).toEqual([])
    expect(messageOf(nest(20))).toMatch(/at most 20/)
  })

  test('what is not JSON is refused, cycles included', () => {
    const cycle: Record<string, unknown> = {}
    cycle['properties'] = cycle
    expect(messageOf(cycle)).toMatch(/levels deep/)
    for (const value of [Number.NaN, 1n, () => 1, new Date(), Symbol('s')]) {
      expect(fieldsOf({ 'x-value': value })).toEqual(['x-value'])
    }
  })

  test('an enum lists at most 500 values', () => {
    const withEnum = (length: number) => ({ properties: { a: { enum: Array.from({ length }, (_, n) => n) } } })
    expect(vetSettingsSchema(withEnum(500))).toEqual([])
    expect(fieldsOf(withEnum(501))).toEqual(['properties.a.enum'])
  })
})

describe('references', () => {
  test.each([
    ['itself', { properties: { a: { $ref: '#/properties/a' } } }, 'properties.a.$ref'],
    ['the whole schema', { properties: { a: { $ref: '#' } } }, 'properties.a.$ref'],
    ['the whole schema from the top', { $ref: '#' }, '$ref'],
    [
      'each other',
      { definitions: { a: { $ref: '#/definitions/b' }, b: { $ref: '#/definitions/a' } } },
      'definitions.b.$ref',
    ],
    ['another document', { properties: { a: { $ref: 'https://example.com/schema.json' } } }, 'properties.a.$ref'],
    ['a file', { properties: { a: { $ref: 'file:///etc/passwd' } } }, 'properties.a.$ref'],
    [
      'the meta-schema',
      { properties: { a: { $ref: 'http://json-schema.org/draft-07/schema#' } } },
      'properties.a.$ref',
    ],
    ['an anchor', { properties: { a: { $ref: '#name' } } }, 'properties.a.$ref'],
    ['nothing', { properties: { a: { $ref: '#/definitions/none' } } }, 'properties.a.$ref'],
    [
      'a value',
      { properties: { a: { default: {}, allOf: [{ $ref: '#/properties/a/default' }] } } },
      'properties.a.allOf.0.$ref',
    ],
    ['an annotation', { 'x-a': { type: 'string' }, properties: { a: { $ref: '#/x-a' } } }, 'properties.a.$ref'],
    ['an inherited property', { properties: { a: { $ref: '#/definitions/constructor' } } }, 'properties.a.$ref'],
    ['broken escapes', { properties: { a: { $ref: '#/%E0%A4%A' } } }, 'properties.a.$ref'],
  ])('to %s are refused', (_name, schema, field) => {
    expect(fieldsOf(schema)).toEqual([field])
  })

  test('95 bytes that double the work at every level are refused as recursive', () => {
    const branch = { properties: { a: { $ref: '#' } } }
    expect(fieldsOf({ allOf: [branch, branch] })).toEqual(['allOf.0.properties.a.$ref', 'allOf.1.properties.a.$ref'])
  })

  test('a bomb of 30 doubling levels is refused without being written out', () => {
    const definitions: Record<string, object> = { d0: { type: 'string' } }
    for (let n = 1; n <= 30; n++) {
      definitions[`d${n}`] = { allOf: [{ $ref: `#/definitions/d${n - 1}` }, { $ref: `#/definitions/d${n - 1}` }] }
    }
    const messages = vetSettingsSchema({ properties: { a: { $ref: '#/definitions/d30' } }, definitions })
    expect(messages.map(({ message }) => message).join()).toMatch(/written out, the schema is too large.*at most 20/)
  })

  test('a shallow bomb is refused by its cost alone', () => {
    const wide = { anyOf: Array.from({ length: 100 }, (_, n) => ({ minLength: n })) }
    const uses = (length: number) => ({
      definitions: { wide },
      properties: Object.fromEntries(Array.from({ length }, (_, n) => [`p${n}`, { $ref: '#/definitions/wide' }])),
    })
    expect(messageOf(uses(60))).toMatch(/too large/)
    expect(vetSettingsSchema(uses(40))).toEqual([])
  })

  test('long required lists count as cost, so that they cannot be multiplied', () => {
    const required = Array.from({ length: 600 }, (_, n) => `r${n}`)
    const properties = Object.fromEntries(Array.from({ length: 10 }, (_, n) => [`p${n}`, { $ref: '#/definitions/r' }]))
    expect(messageOf({ properties, definitions: { r: { required } } })).toMatch(/too large/)
  })

  test('that are escaped reach what they name', () => {
    const schema = {
      properties: { a: { $ref: '#/definitions/a%20b~1c~0d' } },
      definitions: { 'a b/c~d': { type: 'integer' } },
    }
    expect(vetSettingsSchema(schema)).toEqual([])
    expect(compile(schema).check({ a: 'x' })).toMatchObject([{ field: 'a', missing: false }])
  })
})

describe('keywords', () => {
  test.each([
    ['$async at the top', { $async: true, type: 'object' }, '$async'],
    ['$async below', { properties: { a: { $async: true } } }, 'properties.a.$async'],
    ['$data', { properties: { a: { const: { $data: '1/b' } } } }, 'properties.a.const'],
    ['$data in a pattern', { properties: { a: { pattern: { $data: '1/b' } } } }, 'properties.a.pattern'],
    ['an inner $id', { properties: { a: { $id: 'https://example.com/a' } } }, 'properties.a.$id'],
    ['the format url', { properties: { a: { format: 'url' } } }, 'properties.a.format'],
    ['unbounded uniqueItems', { properties: { a: { uniqueItems: true } } }, 'properties.a.uniqueItems'],
    [
      'nearly unbounded uniqueItems',
      { properties: { a: { uniqueItems: true, maxItems: 1e6 } } },
      'properties.a.uniqueItems',
    ],
    ['__proto__', parse('{"properties":{"__proto__":{"type":"string"}}}'), 'properties.__proto__'],
    ['__proto__ in a value', parse('{"properties":{"a":{"enum":[{"__proto__":1}]}}}'), 'properties.a.enum.0.__proto__'],
  ])('are refused: %s', (_name, schema, field) => {
    expect(fieldsOf(schema)).toContain(field)
  })

  test('an inner id is refused in draft 4, and is a word like any other later', () => {
    const schema = { properties: { a: { id: 'https://example.com/a' } } }
    expect(vetSettingsSchema(schema)).toEqual([])
    expect(fieldsOf({ $schema: 'http://json-schema.org/draft-04/schema#', ...schema })).toEqual(['properties.a.id'])
  })

  test('an $id hidden in an annotation reaches no validator', () => {
    const hidden = { $id: 'https://example.com/a', $anchor: '!', $async: true }
    const schema = { 'x-a': hidden, properties: { a: { type: 'string', 'x-b': { ...hidden, type: 'integer' } } } }
    expect(vetSettingsSchema(schema)).toEqual([])
    expect(compile(schema).check({ a: 'x' })).toEqual([])
  })

  test('keywords that only Ajv knows say nothing', () => {
    const schema = { properties: { a: { type: 'string', nullable: true }, b: { minContains: 5, contains: {} } } }
    expect(compile(schema).check({ a: null, b: [1] })).toMatchObject([{ field: 'a' }])
  })
})

describe('patterns', () => {
  test.each(['(?=a)', '(?<!a)b', '(a)\\1', 'a{1001}', '(a{100}){100}', '('])(
    'that RE2 cannot run are refused: %s',
    (pattern) => {
      expect(fieldsOf({ properties: { a: { pattern } } })).toEqual(['properties.a.pattern'])
      expect(fieldsOf({ patternProperties: { [pattern]: {} } })).toEqual([`patternProperties.${pattern}`])
    },
  )

  test('are at most 512 characters long', () => {
    expect(vetSettingsSchema({ properties: { a: { pattern: 'a'.repeat(512) } } })).toEqual([])
    expect(fieldsOf({ properties: { a: { pattern: 'a'.repeat(513) } } })).toEqual(['properties.a.pattern'])
  })

  test('that compile to too much are refused, each and all together', () => {
    expect(messageOf({ properties: { a: { pattern: '(?:\\pL?){999}'.repeat(30) } } })).toMatch(/repeat counts/)
    const properties = Object.fromEntries(
      Array.from({ length: 12 }, (_, n) => [`p${n}`, { pattern: `[a-z]{${900 + n}}` }]),
    )
    expect(messageOf({ properties })).toMatch(/together/)
  })

  test('that take exponential time in JavaScript are decided at once', () => {
    const { check } = compile({
      properties: { a: { type: 'string', pattern: '^(a+)+$' } },
      patternProperties: { '^(b|bb)+$': { type: 'integer' } },
    })
    expect(check({ a: `${'a'.repeat(30_000)}!` })).toMatchObject([{ field: 'a', missing: false }])
    expect(check({ [`${'b'.repeat(30_000)}!`]: 'not matched' })).toEqual([])
  })

  test('share a budget per check, which refuses rather than answers wrongly', () => {
    const allOf = Array.from({ length: 80 }, (_, n) => ({ pattern: `^[ab]*a[ab]{${n + 10}}[c-e]$` }))
    const tooLong = 'ab'.repeat(5_000)
    const direct = compile({ properties: { a: { allOf } } })
    expect(direct.check({ a: 'b' })).not.toEqual([])
    expect(direct.check({ a: tooLong })).toMatchObject([{ field: '', missing: false }])
    const negated = compile({ properties: { a: { not: { anyOf: allOf } } } })
    expect(negated.check({ a: 'b' })).toEqual([])
    expect(negated.check({ a: tooLong })).toMatchObject([{ field: '', missing: false }])
    expect(negated.isConfigured({ a: tooLong })).toBe(false)
    expect(negated.isConfigured({ a: 'b' })).toBe(true)
  })

  test('of one schema are not mistaken for each other', () => {
    const { check } = compile({ properties: { a: { pattern: '^a' }, b: { pattern: '^b' }, c: { pattern: '^c' } } })
    expect(check({ a: 'a', b: 'b', c: 'c' })).toEqual([])
    expect(check({ a: 'b', b: 'b', c: 'b' }).map(({ field }) => field)).toEqual(['a', 'c'])
  })
})

describe('work', () => {
  test('a dear schema is not applied to many values', () => {
    const { check } = compile({ additionalProperties: { items: { anyOf: manyAlternatives(250) } } })
    expect(check({ list: Array(500).fill('x'.repeat(8)) })).toEqual([])
    expect(check({ list: Array(5_000).fill(0) })).toMatchObject([{ field: '', missing: false }])
  })

  test('defaults that multiply with the items are refused, not written out', () => {
    const item = { type: 'object', properties: { a: { default: 'x'.repeat(40_000) } } }
    const { check, withDefaults } = compile({ properties: { list: { items: item } } })
    const values = { list: Array(1_000).fill({}) }
    expect(check(values)).toMatchObject([{ field: '', missing: false }])
    expect(JSON.stringify(withDefaults(values)).length).toBeLessThan(150_000)
  })

  test('a default that is dear to check is refused', () => {
    const list = { type: 'array', default: Array(10_000).fill(0), items: { anyOf: manyAlternatives(200) } }
    expect(messageOf({ properties: { list } })).toMatch(/defaults/)
  })

  test('unique items are compared as JSON values, whatever the order of keys', () => {
    const { check } = compile({ properties: { list: { uniqueItems: true, maxItems: 1_000 } } })
    const many = Array.from({ length: 1_000 }, (_, n) => ({ n, list: [n] }))
    expect(check({ list: many })).toEqual([])
    expect(
      check({
        list: [
          { a: 1, b: [2] },
          { b: [2], a: 1 },
        ],
      }),
    ).toMatchObject([{ field: 'list' }])
    expect(check({ list: [1, '1', true, [1], { 1: 1 }, null, 'null', 0, false] })).toEqual([])
  })
})

function manyAlternatives(length: number): object[] {
  return Array.from({ length }, (_, n) => ({ type: 'string', minLength: length - n }))
}
