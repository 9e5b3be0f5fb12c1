import { describe, expect, it } from 'vitest'
import { StoaError } from '../kernel/index.ts'
import { filterLimits, foldText, parseFilter, type CollectionColumn, type Condition } from './filter-language.ts'

const columns: Record<string, CollectionColumn> = {
  id: { column: 'id', type: 'id' },
  name: { column: 'name', type: 'text' },
  status: { column: 'status', type: 'word', words: ['on', 'off', 'half-on'] },
  loud: { column: 'loud', type: 'boolean' },
  size: { column: 'size', type: 'integer' },
  time: { column: 'time', type: 'time' },
}

const parse = (filter: string) => parseFilter(columns, filter)
const one = (filter: string): Condition | undefined => parse(filter)[0]?.any[0]

function refusal(filter: string): { code: string; field: string; message: string } {
  try {
    parse(filter)
  } catch (error) {
    if (!(error instanceof StoaError)) throw error
    return { code: error.code, field: error.invalidFields![0]!.field, message: error.message }
  }
  throw new Error(`${filter} was accepted`)
}

describe('the filter language', () => {
  it('reads a comma as one of several values, and a semicolon as one more field', () => {
    const clauses = parse('name:Ann,Bob;status:on')
    expect(clauses.map(({ column, any }) => [column.column, any])).toEqual([
      ['name', [{ equals: 'Ann' }, { equals: 'Bob' }]],
      ['status', [{ equals: 'on' }]],
    ])
  })

  it('is no filter when it is empty, or only separators', () => {
    expect(parse('')).toEqual([])
    expect(parse(';; ')).toEqual([])
  })

  it.each(['name:!Ann,!Bob', 'name:!Ann,Bob'])('reads %s as neither of the two', (filter) => {
    expect(parse(filter)[0]).toMatchObject({ any: [], none: [{ equals: 'Ann' }, { equals: 'Bob' }] })
  })

  it('reads a later negation beside a plain value as both', () => {
    expect(parse('size:1..9,!5')[0]).toMatchObject({ any: [{ from: 1, to: 9 }], none: [{ equals: 5 }] })
  })

  it('reads ranges of numbers that are open at one end', () => {
    expect(one('size:1..10')).toEqual({ from: 1, to: 10 })
    expect(one('size:-3..')).toEqual({ from: -3 })
    expect(one('size:..10')).toEqual({ to: 10 })
    expect(one('size:0..0')).toEqual({ from: 0, to: 0 })
  })

  it('keeps the dots of a text', () => {
    expect(one('name:a..b')).toEqual({ equals: 'a..b' })
  })

  it('keeps the colons of a time, and reads it in any zone', () => {
    expect(one('time:2026-01-31T10:00:00+02:00')).toEqual({ equals: '2026-01-31T08:00:00.000Z' })
    // What `+` becomes in a query string that nobody encoded.
    expect(one('time:2026-01-31T10:00:00 02:00')).toEqual({ equals: '2026-01-31T08:00:00.000Z' })
  })

  it('reads a day as all of it, alone and at the end of a range', () => {
    const day = { from: '2026-01-31T00:00:00.000Z', before: '2026-02-01T00:00:00.000Z' }
    expect(one('time:2026-01-31')).toEqual(day)
    expect(one('time:2026-01-01..2026-01-31')).toEqual({ ...day, from: '2026-01-01T00:00:00.000Z' })
    expect(one('time:..2026-01-31')).toEqual({ before: day.before })
    expect(one('time:2026-01-31T09:00Z..')).toEqual({ from: '2026-01-31T09:00:00.000Z' })
  })

  it('takes words and truth values in any case, as they are kept', () => {
    expect(one('status:HALF-ON')).toEqual({ equals: 'half-on' })
    expect(one('loud:TRUE')).toEqual({ equals: true })
  })

  it('lets a backslash take the meaning from the next character', () => {
    expect(one('name:a\\,b\\;c\\\\d')).toEqual({ equals: 'a,b;c\\d' })
    expect(parse('name:\\!important')[0]).toMatchObject({ any: [{ equals: '!important' }], none: [] })
    expect(one('name:\\@home')).toEqual({ equals: '@home' })
  })

  it.each([
    ['colour:red', 'filter.colour'],
    ['name.first:Ann', 'filter.name.first'],
    ['constructor:x', 'filter.constructor'],
    ['__proto__:x', 'filter.__proto__'],
    ['status:maybe', 'filter.status'],
    ['loud:yes', 'filter.loud'],
    ['size:big', 'filter.size'],
    ['size:1.5', 'filter.size'],
    ['size:1e3', 'filter.size'],
    ['size:..', 'filter.size'],
    ['size:9999999999999999', 'filter.size'],
    ['time:yesterday', 'filter.time'],
    ['time:2026-02-30', 'filter.time'],
    ['time:2026-13-01', 'filter.time'],
    ['time:0000-01-01', 'filter.time'],
    ['time:2026-01-31T25:00Z', 'filter.time'],
    ['time:2026-01-31T10:00:00', 'filter.time'],
    ['name', 'filter.name'],
    ['name:', 'filter.name'],
    ['name:Ann,,Bob', 'filter.name'],
    ['name:!', 'filter.name'],
    ['name:@vips', 'filter.name'],
    ['name:a\u0000b', 'filter'],
    [`name:${'x'.repeat(filterLimits.characters)}`, 'filter'],
    [
      `name:${Array(filterLimits.values + 1)
        .fill('x')
        .join(',')}`,
      'filter',
    ],
  ])('refuses %j and names the field', (filter, field) => {
    expect(refusal(filter)).toMatchObject({ code: 'invalid_request', field, message: expect.stringContaining(field) })
  })

  it('says which fields and words there are', () => {
    expect(refusal('colour:red').message).toContain('id, name, status, loud, size, time')
    expect(refusal('status:maybe').message).toContain('on, off, half-on')
  })
})

describe('foldText', () => {
  it('takes case, compatibility forms and outer space away', () => {
    expect(foldText('  ÉCOLE ﬁne ')).toBe('école fine')
  })
})
