import { Ajv } from 'ajv'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { createSettingsCompiler, vetSettingsSchema } from './index.ts'

const compile = (schema: object) => {
  expect(vetSettingsSchema(schema)).toEqual([])
  return createSettingsCompiler({ cacheSize: 8 }).compile(schema)
}
const fieldsOf = (problems: { field: string }[]) => problems.map(({ field }) => field)

describe('checking settings', () => {
  test('keeps JSON types: nothing is coerced', () => {
    const { check } = compile({ properties: { limit: { type: 'integer' }, on: { type: 'boolean' } } })
    const values = { limit: '5', on: 'true' }
    expect(fieldsOf(check(values))).toEqual(['limit', 'on'])
    expect(values).toEqual({ limit: '5', on: 'true' })
    expect(check({ limit: 5, on: true })).toEqual([])
  })

  test('lets unknown settings pass unless the schema forbids them', () => {
    const properties = { color: { type: 'string' } }
    expect(compile({ properties }).check({ other: 1 })).toEqual([])
    const closed = compile({ properties, additionalProperties: false })
    expect(closed.check({ other: 1 })).toMatchObject([{ field: 'other', missing: false }])
    expect(compile({}).check({ anything: [1] })).toEqual([])
  })

  test('takes [] for {} and refuses what is not an object', () => {
    const { check, isConfigured } = compile({ properties: { a: {} }, required: ['a'] })
    expect(check([])).toMatchObject([{ field: 'a', missing: true }])
    for (const value of [null, undefined, 'a', 5, [1], new Date()]) {
      expect(check(value)).toMatchObject([{ field: '', missing: false }])
      expect(isConfigured(value)).toBe(false)
    }
  })

  test('refuses more than 64 KB, more than 16 levels and __proto__', () => {
    const { check } = compile({})
    const deep = (levels: number): object => (levels === 1 ? {} : { a: deep(levels - 1) })
    expect(check({ a: 'x'.repeat(65_000) })).toEqual([])
    expect(check({ a: 'x'.repeat(65_536) })).toMatchObject([{ message: expect.stringContaining('64 KB') }])
    expect(check(deep(16))).toEqual([])
    expect(check(deep(17))).toMatchObject([{ missing: false }])
    expect(check(JSON.parse(`{"a":${'['.repeat(30_000)}${']'.repeat(30_000)}}`))).toMatchObject([{ missing: false }])
    expect(check(JSON.parse('{"a":{"__proto__":{"b":1}}}'))).toMatchObject([{ field: 'a.__proto__', missing: false }])
  })

  test('does not take inherited properties for settings', () => {
    const { check } = compile({ required: ['toString', 'constructor'], properties: { valueOf: { type: 'string' } } })
    expect(check({}).map(({ field, missing }) => [field, missing])).toEqual([
      ['toString', true],
      ['constructor', true],
    ])
    expect(check({ toString: 1, constructor: 2, valueOf: 'x' })).toEqual([])
  })

  test('applies the draft that the schema names', () => {
    const draft4 = compile({
      $schema: 'http://json-schema.org/draft-04/schema#',
      properties: { n: { type: 'number', maximum: 5, exclusiveMaximum: true }, c: { const: 1, if: {}, then: false } },
    })
    expect(draft4.check({ n: 4, c: 2 })).toEqual([])
    expect(draft4.check({ n: 5 })).toMatchObject([{ field: 'n' }])
    const draft6 = compile({
      $schema: 'http://json-schema.org/draft-06/schema#',
      properties: { n: { type: 'number', exclusiveMaximum: 5 }, c: { const: 1, if: {}, then: false } },
    })
    expect(draft6.check({ n: 4, c: 1 })).toEqual([])
    expect(fieldsOf(draft6.check({ n: 5, c: 2 }))).toEqual(['n', 'c'])
    const draft7 = compile({ properties: { c: { if: { type: 'string' }, then: { minLength: 2 }, else: false } } })
    expect(draft7.check({ c: 'ab' })).toEqual([])
    expect(fieldsOf(draft7.check({ c: 5 }))).toContain('c')
  })

  test('takes 19.99 for a multiple of 0.01', () => {
    const { check } = compile({ properties: { price: { multipleOf: 0.01 } } })
    expect(check({ price: 19.99 })).toEqual([])
    expect(check({ price: 19.995 })).toMatchObject([{ field: 'price' }])
  })

  test('names at most 50 problems, each once, with dot paths, and never the refused value', () => {
    const { check } = compile({
      properties: { list: { items: { properties: { n: { type: 'integer', enum: [1, 2], maximum: 2 } } } } },
    })
    const problems = check({ list: Array(200).fill({ n: 'hunter2' }) })
    expect(problems).toHaveLength(50)
    expect(problems[0]).toEqual({ field: 'list.0.n', message: 'Must be of type integer', missing: false })
    expect(JSON.stringify(problems)).not.toContain('hunter2')
    expect(new Set(problems.map((problem) => JSON.stringify(problem))).size).toBe(50)
  })

  test('cuts long names of unknown settings', () => {
    const [problem] = compile({ additionalProperties: false }).check({ ['x'.repeat(60_000)]: 1 })
    expect(problem?.field.length).toBeLessThanOrEqual(200)
  })
})

describe('telling missing from wrong', () => {
  const summarise = (schema: object, values: unknown) =>
    compile(schema)
      .check(values)
      .map(({ field, missing }) => `${missing ? 'missing' : 'wrong'} ${field}`)

  test('names both kinds when there are both', () => {
    const schema = { properties: { a: { type: 'string' }, b: {}, c: { required: ['d'] } }, required: ['a', 'b'] }
    expect(summarise(schema, {})).toEqual(['missing a', 'missing b'])
    expect(summarise(schema, { a: 1, c: {} })).toEqual(['wrong a', 'missing b', 'missing c.d'])
  })

  test('sees that an alternative only lacks something', () => {
    const mode = (name: string) => ({ properties: { mode: { const: name } }, required: ['mode', `${name}Key`] })
    const schema = { oneOf: [mode('test'), mode('live')] }
    expect(
      compile(schema)
        .check({ mode: 'live' })
        .every(({ missing }) => missing),
    ).toBe(true)
    expect(
      compile(schema)
        .check({})
        .every(({ missing }) => missing),
    ).toBe(true)
    expect(
      compile(schema)
        .check({ mode: 'other' })
        .some(({ missing }) => !missing),
    ).toBe(true)
  })

  test('sees that two forms which exclude each other are wrong, unless nothing was entered', () => {
    const schema = { oneOf: [{ required: ['key'] }, { required: ['file'] }] }
    expect(summarise(schema, { key: 1, file: 1 })).toEqual(['wrong '])
    expect(summarise(schema, {})).toEqual(['missing key', 'missing file'])
    const typed = { oneOf: [{ properties: { a: { const: 1 } } }, { properties: { a: { const: 2 } } }] }
    expect(summarise(typed, {})).toEqual(['missing '])
  })

  test('leaves conditions alone', () => {
    const schema = { if: { required: ['a'] }, then: { required: ['b'] }, not: { required: ['z'] } }
    expect(summarise(schema, {})).toEqual([])
    expect(summarise(schema, { a: 1 })).toEqual(['missing b'])
    expect(summarise(schema, { z: 1 })).toEqual(['wrong '])
  })

  test('counts dependencies and minProperties as missing', () => {
    expect(summarise({ dependencies: { a: ['b'] } }, { a: 1 })).toEqual(['missing b'])
    expect(summarise({ minProperties: 1 }, {})).toEqual(['missing '])
  })

  test('takes a required setting with a default for configured', () => {
    const schema = { properties: { a: { default: 1 } }, required: ['a'] }
    expect(compile(schema).isConfigured({})).toBe(true)
    expect(summarise(schema, {})).toEqual([])
  })

  test('never calls settings wrong just because some were taken away', () => {
    fc.assert(
      fc.property(settingsArbitrary, fc.infiniteStream(fc.boolean()), ({ schema, values }, coins) => {
        const { check, isConfigured } = createSettingsCompiler({ cacheSize: 1 }).compile(schema)
        expect(check(values)).toEqual([])
        const kept = dropSome(values, coins)
        expect(isConfigured(kept)).toBe(check(kept).length === 0)
        expect(check(kept).filter(({ missing }) => !missing)).toEqual([])
      }),
      { numRuns: 60 },
    )
  })
})

describe('defaults', () => {
  const schema = {
    properties: {
      color: { default: 'red' },
      nested: { properties: { port: { default: 80 } } },
      made: { default: {}, properties: { a: { default: { b: [1] } } } },
      list: { items: { properties: { n: { default: 1 } } } },
      pair: { items: [{ properties: { n: { default: 1 } } }, {}] },
      referred: { $ref: '#/definitions/size' },
    },
    allOf: [{ properties: { late: { default: true } } }],
    anyOf: [{ properties: { never: { default: 1 } } }],
    definitions: { size: { type: 'integer', default: 3 } },
  }

  test('fill in what is absent, at every level, but not inside alternatives', () => {
    const { withDefaults } = compile(schema)
    const values = { color: null, nested: {}, list: [{}, { n: 2 }, 'x'], pair: [{}, {}, {}] }
    expect(withDefaults(values)).toEqual({
      color: null,
      nested: { port: 80 },
      made: { a: { b: [1] } },
      list: [{ n: 1 }, { n: 2 }, 'x'],
      pair: [{ n: 1 }, {}, {}],
      referred: 3,
      late: true,
    })
    expect(withDefaults({ nested: 'x' })).toMatchObject({ nested: 'x' })
  })

  test('are not shared between results', () => {
    const { withDefaults } = compile(schema)
    const first = withDefaults({}) as { made: { a: { b: number[] } } }
    first.made.a.b.push(2)
    expect(withDefaults({})).toMatchObject({ made: { a: { b: [1] } } })
  })

  test('never change the input, and applying them twice changes nothing more', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.constantFrom(...Object.keys(schema.properties)), fc.jsonValue()), (values) => {
        const { withDefaults } = createSettingsCompiler({ cacheSize: 1 }).compile(schema)
        const before = structuredClone(values)
        const once = withDefaults(deepFreeze(values))
        expect(values).toEqual(before)
        expect(withDefaults(once)).toEqual(once)
      }),
      { numRuns: 100 },
    )
  })
})

test('the check agrees with Ajv on the schema as written', () => {
  fc.assert(
    fc.property(schemaArbitrary, fc.array(valueArbitrary, { minLength: 5, maxLength: 5 }), (part, candidates) => {
      const schema = { properties: { a: part, b: { $ref: '#/properties/a' } } }
      const oracle = new Ajv({ ...oracleOptions, ownProperties: true }).compile(structuredClone(schema))
      const { isConfigured } = createSettingsCompiler({ cacheSize: 1 }).compile(schema)
      for (const value of candidates) {
        for (const values of [{ a: value }, { b: value }]) {
          expect(isConfigured(values)).toBe(oracle(values))
        }
      }
    }),
    { numRuns: 60 },
  )
})

const oracleOptions = { strict: false, logger: false, validateSchema: false } as const
const names = fc.constantFrom('a', 'b', 'c')
const valueArbitrary = fc.letrec((tie) => ({
  value: fc.oneof(
    { maxDepth: 2 },
    fc.constantFrom<unknown>(null, true, 0, 1, 1.5, '', 'a', 'ab', 'bb'),
    fc.dictionary(names, tie('value'), { maxKeys: 3, noNullPrototype: true }),
    fc.array(tie('value'), { maxLength: 3 }),
  ),
})).value

const schemaArbitrary = fc.letrec((tie) => ({
  schema: fc.oneof(
    { maxDepth: 2, withCrossShrink: true },
    fc.record(
      {
        type: fc.constantFrom('string', 'integer', 'object', 'array'),
        minLength: fc.constant(1),
        pattern: fc.constantFrom('^a', 'b$'),
        enum: fc.constant([1, 'ab', { a: 1 }]),
        maximum: fc.constant(1),
        required: fc.uniqueArray(names, { minLength: 1 }),
        minProperties: fc.constant(1),
      },
      { requiredKeys: [] },
    ),
    fc.constant({ uniqueItems: true, maxItems: 3 }),
    fc.record(
      {
        properties: fc.dictionary(names, tie('schema'), { maxKeys: 2 }),
        patternProperties: fc.dictionary(fc.constantFrom('a|b', '^c'), tie('schema'), { maxKeys: 1 }),
        additionalProperties: fc.oneof(fc.boolean(), tie('schema')),
        propertyNames: fc.constant({ minLength: 1 }),
        dependencies: fc.dictionary(names, fc.oneof(fc.uniqueArray(names), tie('schema')), { maxKeys: 1 }),
        items: fc.oneof(tie('schema'), fc.array(tie('schema'), { minLength: 1, maxLength: 2 })),
        additionalItems: fc.boolean(),
        contains: tie('schema'),
      },
      { requiredKeys: [] },
    ),
    fc.record(
      {
        allOf: fc.array(tie('schema'), { minLength: 1, maxLength: 2 }),
        anyOf: fc.array(tie('schema'), { minLength: 1, maxLength: 2 }),
        oneOf: fc.array(tie('schema'), { minLength: 1, maxLength: 2 }),
        not: tie('schema'),
        if: tie('schema'),
        then: tie('schema'),
        else: tie('schema'),
      },
      { requiredKeys: [] },
    ),
  ),
})).schema as fc.Arbitrary<object>

interface Example {
  schema: object
  values: Record<string, unknown>
}

/** An object schema in which much is required, with settings that satisfy it. */
const settingsArbitrary: fc.Arbitrary<Example> = fc.letrec<{
  object: Example
  any: { schema: object; values: unknown }
}>((tie) => ({
  any: fc.oneof(
    { maxDepth: 2 },
    fc.string().map((values) => ({ schema: { type: 'string', maxLength: values.length }, values })),
    fc.integer().map((values) => ({ schema: { enum: [values, 'x'] }, values })),
    tie('object'),
  ),
  object: fc.dictionary(names, tie('any'), { maxKeys: 3 }).map((parts) => {
    const pick = (key: 'schema' | 'values') =>
      Object.fromEntries(Object.entries(parts).map(([name, part]) => [name, part[key]]))
    const form = { type: 'object', properties: pick('schema'), required: Object.keys(parts) }
    return { schema: { oneOf: [form, { enum: [1] }] }, values: pick('values') }
  }),
})).object

function dropSome(value: unknown, coins: Iterator<boolean>): unknown {
  if (typeof value !== 'object' || value === null) return value
  const kept = Object.entries(value).filter(() => coins.next().value === true)
  return Object.fromEntries(kept.map(([key, item]) => [key, dropSome(item, coins)]))
}

function deepFreeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null) {
    Object.values(value).forEach(deepFreeze)
    Object.freeze(value)
  }
  return value
}
