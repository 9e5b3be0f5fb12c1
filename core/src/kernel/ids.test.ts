import { describe, expect, it } from 'vitest'
import { firstIdAt, idMaxLength, idPattern, newId } from './ids.ts'

describe('a new id', () => {
  it('fits the pattern and length of every id, and has no "-"', () => {
    for (const prefix of ['app', 'usr', 'org', 'installation']) {
      const id = newId(prefix)
      expect(id).toMatch(new RegExp(idPattern))
      expect(id).toMatch(new RegExp(`^${prefix}_[0-9a-f]{32}$`))
      expect(id.length).toBeLessThanOrEqual(idMaxLength)
    }
  })

  it('is never given twice, and sorts after those before it', () => {
    const ids = Array.from({ length: 20_000 }, () => newId('x'))
    expect(new Set(ids).size).toBe(ids.length)
    expect([...ids].sort()).toEqual(ids)
  })
})

describe('the first id at a time', () => {
  it('is not after any id that is given from then on, and after every id that was given before', () => {
    const before = newId('x')
    const given = parseInt(before.slice(2, 14), 16)
    expect(firstIdAt('x', new Date(given).toISOString()) <= before).toBe(true)
    expect(firstIdAt('x', new Date(given + 1).toISOString()) > before).toBe(true)
  })

  it('is as long as any, also at the ends of time', () => {
    for (const time of ['1900-01-01T00:00:00Z', '1970-01-01T00:00:00Z', '+275760-09-13T00:00:00.000Z']) {
      expect(firstIdAt('dlv', time)).toMatch(/^dlv_[0-9a-f]{32}$/)
    }
  })
})

describe('the pattern of ids', () => {
  it.each(['a', 'tenant-42', '@me', '~', 'a.b', 'A_1'])('takes %s', (id) => expect(id).toMatch(new RegExp(idPattern)))
  it.each(['', 'a/b', 'a b', 'é', 'a\n', '\na', 'a%20', 'a\0'])('refuses %j', (id) =>
    expect(id).not.toMatch(new RegExp(idPattern)),
  )
})
