import { describe, expect, test } from 'vitest'
import { createSettingsCompiler } from './index.ts'

describe('the settings compiler', () => {
  test('compiles equal schemas once and forgets the least recently used', () => {
    const { compile } = createSettingsCompiler({ cacheSize: 2 })
    const schema = (name: string) => ({ properties: { [name]: { type: 'string' } } })
    const first = compile(schema('a'))
    expect(compile(schema('a'))).toBe(first)
    expect(compile(schema('b'))).not.toBe(first)
    expect(compile(schema('a'))).toBe(first)
    compile(schema('c'))
    compile(schema('d'))
    expect(compile(schema('a'))).not.toBe(first)
  })

  test('shares nothing with another compiler', () => {
    const schema = { properties: {} }
    const one = createSettingsCompiler({ cacheSize: 1 }).compile(schema)
    expect(createSettingsCompiler({ cacheSize: 1 }).compile(schema)).not.toBe(one)
  })

  test('keeps two applications with the same $id apart', () => {
    const { compile } = createSettingsCompiler({ cacheSize: 4 })
    const $id = 'https://example.com/settings.json'
    const one = compile({ $id, properties: { a: { type: 'string' } } })
    const other = compile({ $id, properties: { a: { type: 'integer' } } })
    expect(one.check({ a: 'x' })).toEqual([])
    expect(other.check({ a: 1 })).toEqual([])
    expect(other.check({ a: 'x' })).toHaveLength(1)
  })

  test('does not notice when a compiled schema is changed afterwards', () => {
    const { compile } = createSettingsCompiler({ cacheSize: 4 })
    const schema = { properties: { a: { enum: ['x'] as string[], default: 'x' } } }
    const compiled = compile(schema)
    schema.properties.a.enum.push('y')
    schema.properties.a.default = 'y'
    expect(compiled.check({ a: 'y' })).toHaveLength(1)
    expect(compiled.withDefaults({})).toEqual({ a: 'x' })
  })
})
