import { describe, expect, it } from 'vitest'
import fc from 'fast-check'
import { deriveToken, hashToken, mintToken, tokenKind, tokenKinds } from './opaque-token.ts'

const kinds = tokenKinds
const base62 = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'.split('')
const characters = fc.constantFrom(...base62, '_', '-', ' ', 'é', '\0', '%')
const minted = fc.constantFrom(...kinds).map((kind) => ({ kind, token: mintToken(kind) }))

describe('a derived token', () => {
  const key = Buffer.alloc(32, 1)

  it('is the same each time, well-formed, and another one for another kind, text or key', () => {
    const token = deriveToken('rt', key, 'one')
    expect(tokenKind(token)).toBe('rt')
    expect(deriveToken('rt', key, 'one')).toBe(token)
    const others = [
      deriveToken('at', key, 'one'),
      deriveToken('rt', key, 'two'),
      deriveToken('rt', Buffer.alloc(32), 'one'),
    ]
    expect(new Set([token, ...others].map((each) => each.slice(8))).size).toBe(4)
  })
})

describe('a minted token', () => {
  it.each(kinds)('of kind %s says its kind and needs no escaping anywhere', (kind) => {
    const token = mintToken(kind)
    expect(token).toMatch(new RegExp(`^stoa_${kind}_[0-9A-Za-z]{36}$`))
    expect(tokenKind(token)).toBe(kind)
    expect(encodeURIComponent(token)).toBe(token)
  })

  it('is refused, before any lookup, after any change of one character', () => {
    fc.assert(
      fc.property(minted, fc.nat(), characters, ({ token }, at, character) => {
        const index = at % token.length
        fc.pre(token[index] !== character)
        expect(tokenKind(token.slice(0, index) + character + token.slice(index + 1))).toBeNull()
      }),
      { numRuns: 5000 },
    )
  })

  it('is refused with a character too many, too few, or two swapped', () => {
    fc.assert(
      fc.property(minted, fc.nat(), characters, ({ token }, at, character) => {
        const index = at % token.length
        expect(tokenKind(token.slice(0, index) + character + token.slice(index))).toBeNull()
        expect(tokenKind(token.slice(0, index) + token.slice(index + 1))).toBeNull()
        const next = token[index + 1]
        if (next === undefined || next === token[index]) return
        expect(tokenKind(token.slice(0, index) + next + token[index] + token.slice(index + 2))).toBeNull()
      }),
      { numRuns: 2000 },
    )
  })

  it('is refused in other letters, with space around it, and under another kind', () => {
    fc.assert(
      fc.property(minted, ({ kind, token }) => {
        for (const changed of [
          token.toUpperCase(),
          token.toLowerCase(),
          ` ${token}`,
          `${token}\n`,
          token.replace('stoa', 'xtoa'),
        ]) {
          expect(tokenKind(changed)).toBeNull()
        }
        for (const other of kinds) {
          if (other !== kind) expect(tokenKind(token.replace(`_${kind}_`, `_${other}_`))).toBeNull()
        }
      }),
    )
  })

  it('draws every character about equally often, wherever it stands', () => {
    const tokens = Array.from({ length: 20_000 }, () => mintToken('ak').slice('stoa_ak_'.length, -6))
    expect(new Set(tokens).size).toBe(tokens.length)
    const counts = new Map<string, number>()
    for (const character of tokens.join('')) counts.set(character, (counts.get(character) ?? 0) + 1)
    expect([...counts.keys()].sort().join('')).toBe([...base62].sort().join(''))
    // 600,000 draws of 62: about 9,677 each, with a standard deviation of 98. A bias of `byte % 62` would be 25 %.
    const expected = 600_000 / 62
    for (const [character, count] of counts) expect(Math.abs(count - expected) / expected, character).toBeLessThan(0.07)
    const firsts = new Map<string, number>()
    for (const token of tokens) firsts.set(token[0]!, (firsts.get(token[0]!) ?? 0) + 1)
    expect(firsts.size).toBe(62)
  })
})

describe('a text that is no token', () => {
  it('is refused, whatever it is', () => {
    fc.assert(fc.property(fc.string({ unit: 'binary', maxLength: 80 }), (text) => tokenKind(text) === null))
    for (const text of ['', 'stoa_ak_', `stoa_ak_${'0'.repeat(36)}`, `stoa_xx_${'a'.repeat(36)}`])
      expect(tokenKind(text)).toBeNull()
  })
})

describe('the hash of a token', () => {
  it('is SHA-256 in hexadecimal', () => {
    expect(hashToken('abc')).toBe('ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad')
  })
})
