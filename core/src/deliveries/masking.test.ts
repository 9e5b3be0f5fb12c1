import { expect, it } from 'vitest'
import { masked } from '../events/index.ts'
import { maskSent } from './masking.ts'

const secret = 'Bearer s3cret-value'
const keys = {
  signing: [],
  headers: [{ name: 'x-key', value: secret }],
  credentials: { type: 'basic' as const, username: 'ada', password: 'correct horse' },
}
const basic = Buffer.from('ada:correct horse').toString('base64')

it('keeps nothing of what was sent and comes back, wherever the text was cut off', () => {
  for (const each of [secret, 'correct horse', basic]) {
    expect(maskSent(`you sent ${each}, thanks`, keys)).toBe(`you sent ${masked}, thanks`)
    for (let length = 6; length <= each.length; length++) {
      expect(maskSent(`${each} and ${each.slice(0, length)}`, keys)).toBe(`${masked} and ${masked}`)
    }
  }
})

it('leaves what is too short to be told from other words, and what only stands in the middle', () => {
  expect(maskSent('a Beare', keys)).toBe('a Beare')
  expect(maskSent('Bearer s3 is what it began with', keys)).toBe('Bearer s3 is what it began with')
  expect(maskSent('', keys)).toBe('')
})
