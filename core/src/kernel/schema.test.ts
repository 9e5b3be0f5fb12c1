import { describe, expect, it } from 'vitest'
import { createSchemaCompiler, Id, Nullable, OneOf, Strict, Time, Type } from './schema.ts'

const compiler = createSchemaCompiler()
const fieldsOf = (refusal: ReturnType<ReturnType<typeof compiler.body>>) => refusal?.fields ?? null

describe('a body', () => {
  const check = compiler.body(
    Strict({
      name: Type.String({ minLength: 2 }),
      size: Type.Optional(Type.Integer()),
      colour: Type.Optional(OneOf(['red', 'blue'])),
      inner: Type.Optional(Strict({ list: Type.Array(Strict({ id: Id() })) })),
      more: Type.Optional(Nullable(Type.String())),
      kept: Type.Boolean({ default: true }),
    }),
  )

  it('that fits is let through, with defaults filled in', () => {
    const body: Record<string, unknown> = { name: 'ab' }
    expect(check(body)).toBeNull()
    expect(body).toEqual({ name: 'ab', kept: true })
  })

  it.each([
    { name: 1 },
    { name: 'ab', size: '1' },
    { name: 'ab', size: 1.5 },
    { name: 'ab', kept: 'true' },
    { name: ['ab'] },
  ])('is not coerced: %j', (body) => {
    const before = structuredClone(body)
    expect(check(body)).not.toBeNull()
    expect(body).toMatchObject(before)
  })

  it('is told all that is wrong at once, each under its path', () => {
    const body = {
      size: 'x',
      colour: 'green',
      inner: { list: [{ id: 'a' }, { id: 'a b' }, { ID: 'a' }] },
      'odd/name~': 1,
    }
    expect(fieldsOf(check(body))).toEqual(
      expect.arrayContaining([
        { field: 'name', message: 'is required' },
        { field: 'size', message: 'must be integer' },
        { field: 'colour', message: 'must be one of red, blue' },
        { field: 'inner.list.1.id', message: expect.stringContaining('must match pattern') },
        { field: 'inner.list.2.id', message: 'is required' },
        { field: 'inner.list.2.ID', message: 'is not a known member' },
        { field: 'odd/name~', message: 'is not a known member' },
      ]),
    )
  })

  it.each([
    [{ minItems: 1, maxItems: 3 }, [], 'must have 1 to 3 items, not 0'],
    [{ minItems: 1, maxItems: 3 }, [1, 2, 3, 4], 'must have 1 to 3 items, not 4'],
    [{ minItems: 2 }, [1], 'must have at least 2 items, not 1'],
    [{ maxItems: 2 }, [1, 2, 3], 'must have at most 2 items, not 3'],
  ])('is told how many items a list takes: %j', (bounds, list, message) => {
    const validate = compiler.body(Strict({ list: Type.Array(Type.Integer(), bounds) }))
    expect(fieldsOf(validate({ list }))).toEqual([{ field: 'list', message }])
  })

  it('is told each field once', () => {
    const fields = fieldsOf(compiler.body(Strict({ id: Id() }))({ id: '' }))!
    expect(fields.map(({ field }) => field)).toEqual(['id'])
  })

  it('as a whole is called "body"', () => {
    for (const body of [null, 'text', 1, []])
      expect(fieldsOf(check(body))).toEqual([{ field: 'body', message: 'must be object' }])
  })

  it('that lacks members and has nothing else wrong is told apart', () => {
    expect(check({})?.onlyMissing).toBe(true)
    expect(check({ name: 1 })?.onlyMissing).toBe(false)
    expect(check({ unknown: 1 })?.onlyMissing).toBe(false)
  })

  it('with very much wrong is told some of it', () => {
    const body = Object.fromEntries(Array.from({ length: 500 }, (_, index) => [`m${index}`, 1]))
    expect(fieldsOf(check(body))!.length).toBeLessThanOrEqual(50)
    const huge = Object.fromEntries(Array.from({ length: 50_000 }, (_, index) => [`m${index}`, 1]))
    expect(fieldsOf(check(huge))).toHaveLength(1)
  })
})

describe('text', () => {
  const check = compiler.text(
    Type.Object({
      limit: Type.Integer({ default: 10 }),
      on: Type.Optional(Type.Boolean()),
      ids: Type.Optional(Type.Array(Type.String())),
    }),
  )

  it('is coerced to what the schema says, defaults too', () => {
    const query: Record<string, unknown> = { on: 'true', ids: 'one' }
    expect(check(query)).toBeNull()
    expect(query).toEqual({ limit: 10, on: true, ids: ['one'] })
  })

  it.each([{ limit: 'ten' }, { limit: '1.5' }, { limit: ['1', '2'] }, { on: 'yes' }])(
    'that cannot be is refused: %j',
    (query) => {
      expect(check(query)).not.toBeNull()
    },
  )
})

describe('a response', () => {
  it('may have members beyond its schema, and gets no defaults', () => {
    const check = compiler.response(
      Type.Object({ id: Type.String(), state: Type.Optional(Type.String({ default: 'x' })) }),
    )
    const answer = { id: 'a', more: 1 }
    expect(check(answer)).toBeNull()
    expect(answer).toEqual({ id: 'a', more: 1 })
    expect(check({ id: 1 })).not.toBeNull()
  })
})

describe('a time', () => {
  const check = compiler.body(Time())
  it.each([
    '2026-03-01T12:00:00Z',
    '2026-03-01T12:00:00.123Z',
    '2026-03-01T12:00:00+05:45',
    '0001-01-01T00:00:00Z',
    '9999-12-31T23:59:59.9999999Z',
  ])('%s is one', (time) => expect(check(time)).toBeNull())
  it.each([
    '2026-03-01',
    '12:00',
    '2026-02-30T12:00:00Z',
    '2026-03-01T12:00:00',
    '2026-03-01T25:00:00Z',
    // A leap second, years without a number, and times that are in other years in UTC.
    '2026-06-30T23:59:60Z',
    '0000-01-01T00:00:00Z',
    '0001-01-01T00:00:00+01:00',
    '9999-12-31T23:59:59-10:00',
    1,
    null,
  ])('%j is none', (time) => expect(check(time)).not.toBeNull())

  it('that is none is told what one looks like', () => {
    const message = expect.stringContaining('such as 2026-03-01T12:00:00Z')
    const at = compiler.body(Strict({ at: Time() }))
    expect(fieldsOf(at({ at: '0000-01-01T00:00:00Z' }))).toEqual([{ field: 'at', message }])
  })
})

describe('an id', () => {
  const check = compiler.body(Id())
  it('has at most 50 characters of its alphabet', () => {
    expect(check('x'.repeat(50))).toBeNull()
    for (const id of ['', 'x'.repeat(51), 'a/b', 'é', 'a\n', 7, null]) expect(check(id), String(id)).not.toBeNull()
  })
})

describe('one of several words', () => {
  it('is shown as an enum, which clients read best', () => {
    expect(JSON.parse(JSON.stringify(OneOf(['a', 'b'])))).toEqual({ type: 'string', enum: ['a', 'b'] })
  })
})

describe('numbers in text', () => {
  it('are refused when they are too large to be any', () => {
    const check = createSchemaCompiler().text(Type.Object({ after: Type.Integer({ minimum: 0, maximum: 1000 }) }))
    expect(check({ after: '12' })).toBeNull()
    for (const after of ['1e400', '-1e400']) {
      expect(check({ after })).toEqual({
        fields: [{ field: 'after', message: 'must be a finite number' }],
        onlyMissing: false,
      })
    }
  })
})
