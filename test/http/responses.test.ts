import { describe, expect, it } from 'vitest'
import { defineOperation, reply } from '../../core/src/http/index.ts'
import { Nullable, StoaError, Type, type TSchema } from '../../core/src/kernel/index.ts'
import { mountOwn } from './support.ts'

const Thing = Type.Object({ id: Type.String(), size: Nullable(Type.Integer()) })

const operation = (
  id: string,
  answer: () => Promise<unknown>,
  responses: Record<number, TSchema | null> = { 200: Thing },
) =>
  defineOperation({
    id,
    method: 'GET',
    path: `/${id}`,
    surface: 'platform',
    tag: 'Test',
    summary: 'Answer something',
    permission: null,
    responses,
    handler: answer as () => Promise<never>,
  })

const operations = [
  operation('right', () => Promise.resolve({ id: 'a', size: 1, more: true })),
  operation('wrong', () => Promise.resolve({ id: 1, size: null })),
  operation('lacking', () => Promise.resolve({ id: 'a' })),
  operation('silent', () => Promise.resolve(undefined)),
  operation('undocumented', () => Promise.resolve(reply(299, { id: 'a', size: 1 }))),
  operation('refusing', () => Promise.reject(new StoaError('wrong_state'))),
  operation('empty', () => Promise.resolve(undefined), { 204: null }),
  operation('second', () => Promise.resolve(reply(201, { id: 'a', size: 1 }, { Location: '/x' })), {
    200: Thing,
    201: Thing,
  }),
]
const untrue = ['wrong', 'lacking', 'silent', 'undocumented']

describe('an answer that differs from its documentation', () => {
  it('is an error in mode test', async () => {
    const { call, lines } = await mountOwn(operations, { config: { mode: 'test' } })
    for (const name of untrue) {
      expect((await call('GET', `/${name}`)).status, name).toBe(500)
      expect(lines.filter(({ level }) => level === 'error')).toHaveLength(untrue.indexOf(name) + 1)
    }
  })

  it('is sent in mode development, and logged', async () => {
    const { call, lines } = await mountOwn(operations, { config: { mode: 'development' } })
    for (const name of untrue) expect((await call('GET', `/${name}`)).status, name).toBeLessThan(300)
    const errors = lines.filter(({ level }) => level === 'error')
    expect(errors.map(({ message }) => message)).toEqual(untrue.map(() => 'a response differs from its documentation'))
    expect(errors.map(({ details }) => String((details as { err: Error }).err.message))).toEqual([
      expect.stringContaining('wrong answered 200: id must be string'),
      expect.stringContaining('lacking answered 200: size is required'),
      expect.stringContaining('silent answered 200'),
      expect.stringContaining('undocumented answered 299: the status is not documented'),
    ])
  })

  it('is sent unchecked in mode production', async () => {
    const { call, lines } = await mountOwn(operations, { config: { mode: 'production' } })
    expect((await call('GET', '/wrong')).body).toEqual({ id: 1, size: null })
    expect(lines.filter(({ level }) => level === 'error')).toEqual([])
  })
})

describe('an answer', () => {
  it('has the first documented status, unless it says another', async () => {
    const { call } = await mountOwn(operations)
    expect((await call('GET', '/right')).status).toBe(200)
    const second = await call('GET', '/second')
    expect([second.status, second.headers.get('location')]).toEqual([201, '/x'])
    expect((await call('GET', '/refusing')).status).toBe(409)
  })

  it('is JSON that nobody keeps, or nothing at all', async () => {
    const { call } = await mountOwn(operations)
    const { headers, body } = await call('GET', '/right')
    expect([headers.get('content-type'), headers.get('cache-control')]).toEqual([
      'application/json; charset=utf-8',
      'no-store',
    ])
    expect(body).toEqual({ id: 'a', size: 1, more: true })
    const empty = await call('GET', '/empty')
    expect([empty.status, empty.body, empty.headers.get('content-type')]).toEqual([204, undefined, null])
  })
})
