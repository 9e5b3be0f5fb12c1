import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createSecretBox, derive } from './secret-box.ts'

const [first, second, third] = ['1', '2', '3'].map((digit) => digit.repeat(32)) as [string, string, string]

describe('a secret box', () => {
  it('opens what it sealed, whatever it was', async () => {
    const box = createSecretBox([first])
    const property = fc.asyncProperty(
      fc.string({ unit: 'grapheme' }),
      fc.string({ unit: 'grapheme' }),
      async (plain, context) => {
        expect(await box.open(await box.seal(plain, context), context)).toBe(plain)
      },
    )
    await fc.assert(property)
  })

  it('does not open a text of which any one character was changed, added or left out', async () => {
    const box = createSecretBox([first])
    const sealed = await box.seal('a secret', 'row:1')
    for (let index = 0; index < sealed.length; index++) {
      for (const character of ['A', '.', '!', '=', ' ']) {
        if (sealed[index] !== character) {
          await expect(
            box.open(sealed.slice(0, index) + character + sealed.slice(index + 1), 'row:1'),
          ).rejects.toThrow()
        }
        await expect(box.open(sealed.slice(0, index) + character + sealed.slice(index), 'row:1')).rejects.toThrow()
      }
      await expect(box.open(sealed.slice(0, index) + sealed.slice(index + 1), 'row:1')).rejects.toThrow()
    }
    for (const more of ['.', '.x', '=', '\n']) await expect(box.open(sealed + more, 'row:1')).rejects.toThrow()
  })

  it('does not change the spare bits of the last character without being noticed', async () => {
    const box = createSecretBox([first])
    const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
    const sealed = await box.seal('12', 'row:1')
    const last = alphabet.indexOf(sealed.at(-1)!)
    const twin = sealed.slice(0, -1) + alphabet[last ^ 1]
    await expect(box.open(twin, 'row:1')).rejects.toThrow()
  })

  it('does not open a text with a data key of another', async () => {
    const box = createSecretBox([first])
    const [one, two] = [await box.seal('one', 'row:1'), await box.seal('two', 'row:1')].map((text) => text.split('.'))
    await expect(box.open([...one!.slice(0, 3), two![3]].join('.'), 'row:1')).rejects.toThrow(/changed/)
  })

  it('does not open under another context', async () => {
    const box = createSecretBox([first])
    const sealed = await box.seal('secret', 'endpoint:1')
    for (const context of ['endpoint:2', 'endpoint:', '', 'endpoint:1 '])
      await expect(box.open(sealed, context)).rejects.toThrow()
  })

  it.each(['', 'v1', 'v1.a.b.c', 'v2.a.b.c', '....', 'plain text'])('rejects %j instead of throwing', async (text) => {
    await expect(createSecretBox([first]).open(text, 'row:1')).rejects.toThrow()
  })

  describe('after a rotation', () => {
    it('opens what the old secret sealed, and seals by the new one', async () => {
      const sealed = await createSecretBox([first]).seal('old', 'row:1')
      const rotated = createSecretBox([second, first])
      expect(await rotated.open(sealed, 'row:1')).toBe('old')
      const fresh = await rotated.seal('new', 'row:1')
      expect(await createSecretBox([third, second]).open(fresh, 'row:1')).toBe('new')
      await expect(createSecretBox([first]).open(fresh, 'row:1')).rejects.toThrow()
    })

    it('that dropped the old secret says what to do', async () => {
      const sealed = await createSecretBox([first]).seal('old', 'row:1')
      await expect(createSecretBox([second]).open(sealed, 'row:1')).rejects.toThrow(/put the old secret back/)
    })
  })
})

describe('a derived key', () => {
  it('has 32 bytes that depend on secret and purpose', () => {
    const keys = [derive(first, 'a'), derive(first, 'b'), derive(second, 'a')].map((key) => key.toString('hex'))
    expect(new Set(keys).size).toBe(3)
    for (const key of keys) expect(key).toMatch(/^[0-9a-f]{64}$/)
    expect(derive(first, 'a').toString('hex')).toBe(keys[0])
  })
})
