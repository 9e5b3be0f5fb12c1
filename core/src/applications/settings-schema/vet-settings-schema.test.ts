import { describe, expect, test } from 'vitest'
import { createSettingsCompiler, vetSettingsSchema } from './index.ts'

const fieldsOf = (schema: unknown): string[] => vetSettingsSchema(schema).map(({ field }) => field)
const settings = (properties: object, rest: object = {}) => ({ type: 'object', properties, ...rest })

describe('a schema that is fine', () => {
  test.each([
    ['no settings', {}],
    ['no settings, as PHP writes it', []],
    ['no properties, as PHP writes them', { type: 'object', properties: [] }],
    ['an object without a stated type', { properties: { a: { type: 'string' } } }],
    ['a type list of just object', { type: ['object'] }],
    ['annotations and unknown formats', settings({ a: { type: 'string', format: 'color', 'x-widget': { rows: 3 } } })],
    ['a setting called like a keyword', settings({ $id: { type: 'string' }, $ref: {}, $async: {}, pattern: {} })],
    ['a definition that is never used', settings({}, { definitions: { a: { type: 'string' } } })],
    ['unique items with a bound', settings({ a: { type: 'array', uniqueItems: true, maxItems: 100 } })],
    ['a secret', settings({ key: { type: 'string', format: 'password', title: 'API key' } })],
    ['an id of its own', { $id: 'https://example.com/settings', type: 'object' }],
  ])('is accepted: %s', (_name, schema) => {
    expect(vetSettingsSchema(schema)).toEqual([])
  })

  test.each(['04', '06', '07'])('may be of draft %s, with http or https, with or without the fragment', (draft) => {
    for (const uri of [
      `http://json-schema.org/draft-${draft}/schema#`,
      `https://json-schema.org/draft-${draft}/schema`,
    ]) {
      expect(vetSettingsSchema({ $schema: uri, ...settings({ a: { type: 'string' } }) })).toEqual([])
    }
  })

  test('may write exclusiveMaximum as a flag in draft 4 only, and as a number from draft 6 on', () => {
    const flag = settings({ n: { type: 'number', maximum: 5, exclusiveMaximum: true } })
    const number = settings({ n: { type: 'number', exclusiveMaximum: 5 } })
    const draft4 = { $schema: 'http://json-schema.org/draft-04/schema#' }
    const draft6 = { $schema: 'http://json-schema.org/draft-06/schema#' }
    expect(vetSettingsSchema({ ...draft4, ...flag })).toEqual([])
    expect(fieldsOf({ ...draft4, ...number })).toContain('properties.n.exclusiveMaximum')
    for (const later of [draft6, {}]) {
      expect(vetSettingsSchema({ ...later, ...number })).toEqual([])
      expect(fieldsOf({ ...later, ...flag })).toEqual(['properties.n.exclusiveMaximum'])
    }
  })
})

describe('a schema that is not fine', () => {
  test.each([
    ['null', null, ''],
    ['text', 'object', ''],
    ['true', true, ''],
    ['a list with something in it', [{}], ''],
    ['a bare map of settings', { color: { type: 'string' } }, ''],
    ['a bare map with a setting called type', { type: { type: 'string' } }, ''],
    ['another top-level type', { type: 'string' }, 'type'],
    ['a choice of top-level types', { type: ['object', 'null'] }, 'type'],
    ['an unknown type', settings({ a: { type: 'strin' } }), 'properties.a.type'],
    ['required that is not a list', settings({ a: { required: true } }), 'properties.a.required'],
    ['a schema that is a number', settings({ a: 5 }), 'properties.a'],
    ['an unknown draft', { $schema: 'https://json-schema.org/draft/2020-12/schema' }, '$schema'],
    ['draft 3', { $schema: 'http://json-schema.org/draft-03/schema#' }, '$schema'],
    ['a draft that is not text', { $schema: 7 }, '$schema'],
    ['a default of another type', settings({ a: { type: 'integer', default: '5' } }), 'properties.a.default'],
    ['a default its pattern refuses', settings({ a: { pattern: '^a', default: 'b' } }), 'properties.a.default'],
    ['a nested default', settings({ a: { items: { minimum: 1, default: 0 } } }), 'properties.a.items.default'],
  ])('is refused with its place: %s', (_name, schema, field) => {
    expect(fieldsOf(schema)).toContain(field)
  })

  test('is refused with a default that its $ref target refuses', () => {
    const schema = settings(
      { a: { $ref: '#/definitions/port', default: 0 } },
      { definitions: { port: { minimum: 1 } } },
    )
    expect(fieldsOf(schema)).toEqual(['properties.a.default'])
  })

  test('may leave to nested defaults what a default object lacks', () => {
    const connection = { type: 'object', default: {}, properties: { port: { default: 80 } }, required: ['port'] }
    expect(vetSettingsSchema(settings({ connection }))).toEqual([])
    expect(fieldsOf(settings({ connection: { ...connection, required: ['host'] } }))).toEqual([
      'properties.connection.default',
    ])
  })

  test('gets all of its problems named in one go', () => {
    const schema = settings({ a: { pattern: '(?=a)' }, b: { type: 'strin' }, c: { format: 'url' } })
    expect(fieldsOf(schema).toSorted()).toEqual(['properties.a.pattern', 'properties.b.type', 'properties.c.format'])
  })

  test('gets at most 50 problems named', () => {
    const properties = Object.fromEntries(Array.from({ length: 200 }, (_, n) => [`p${n}`, { type: 'strin' }]))
    expect(vetSettingsSchema(settings(properties))).toHaveLength(50)
  })
})

describe('secrets in a schema', () => {
  const marks = { writeOnly: { writeOnly: true }, password: { format: 'password' }, 'x-secret': { 'x-secret': true } }
  const published = { default: 'swordfish', enum: ['swordfish'], const: 'swordfish', examples: ['swordfish'] }

  test.each(Object.entries(marks))('marked by %s may not publish a value', (_name, mark) => {
    for (const [keyword, value] of Object.entries(published)) {
      const schema = settings({ key: { type: 'string', ...mark, [keyword]: value } })
      expect(fieldsOf(schema)).toEqual([`properties.key.${keyword}`])
    }
  })

  test('may not be published by another subschema that describes the same setting', () => {
    const key = { type: 'string', writeOnly: true }
    expect(fieldsOf(settings({ key }, { allOf: [{ properties: { key: { default: 'x' } } }] }))).toEqual([
      'allOf.0.properties.key.default',
    ])
    expect(fieldsOf(settings({ key }, { if: { properties: { key: { const: 'x' } } } }))).toEqual([
      'if.properties.key.const',
    ])
    const referred = {
      properties: { key: { $ref: '#/definitions/k', writeOnly: true } },
      definitions: { k: { enum: ['x'] } },
    }
    expect(fieldsOf(referred)).toEqual(['definitions.k.enum'])
  })

  test('may not be published inside the value of an object around them', () => {
    const key = { type: 'string', writeOnly: true }
    const connection = { type: 'object', properties: { host: { type: 'string' }, key } }
    expect(vetSettingsSchema(settings({ connection: { ...connection, default: { host: 'h' } } }))).toEqual([])
    for (const [keyword, value] of [
      ['default', { key: 'x' }],
      ['examples', [{ host: 'h' }, { key: 'x' }]],
    ] as const) {
      expect(fieldsOf(settings({ connection: { ...connection, [keyword]: value } }))).toEqual([
        `properties.connection.${keyword}`,
      ])
    }
  })

  test.each([
    ['in a list', { items: { writeOnly: true } }, 'items'],
    ['in a map', { additionalProperties: { format: 'password' } }, 'additionalProperties'],
    ['under a pattern', { patternProperties: { '^k': { 'x-secret': true } } }, 'patternProperties.^k'],
    ['in a negation', { not: { writeOnly: true } }, 'not'],
    ['as the whole', { writeOnly: true }, ''],
    ['as a root alternative', { anyOf: [{ writeOnly: true }] }, 'anyOf.0'],
  ])('may not stand where they have no name of their own: %s', (_name, rest, field) => {
    expect(fieldsOf({ type: 'object', ...rest })).toEqual([field])
  })

  test('may not be objects or lists', () => {
    expect(fieldsOf(settings({ key: { type: 'object', writeOnly: true } }))).toEqual(['properties.key.type'])
    expect(fieldsOf(settings({ key: { type: ['string', 'array'], writeOnly: true } }))).toEqual(['properties.key.type'])
    const parent = { 'x-secret': true, properties: { key: { type: 'string' } } }
    expect(fieldsOf(settings({ parent }))).toEqual(['properties.parent.properties.key'])
  })
})

test('whatever passes vetting compiles, and whatever does not is not compiled', () => {
  const { compile } = createSettingsCompiler({ cacheSize: 4 })
  const refused = settings({ a: { $ref: '#' } })
  expect(vetSettingsSchema(refused)).not.toEqual([])
  expect(() => compile(refused)).toThrow('not vetted')
  expect(() => compile(settings({ key: { writeOnly: true, default: 'x' } }))).toThrow('not vetted')
  expect(compile([]).check({ anything: 1 })).toEqual([])
})
