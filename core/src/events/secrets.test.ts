import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { EndpointSecret, SigningVersion } from './endpoint.ts'
import { liveSecrets, mostFormerSecrets, newestSecret, rotated } from './secrets.ts'

const timeOf = (seconds: number) => new Date(1_800_000_000_000 + seconds * 1000).toISOString()
const secret = (id: string, version: SigningVersion = 'v1'): EndpointSecret => ({
  id,
  version,
  sealed: '',
  lastFour: null,
  publicKey: null,
  createdTime: timeOf(0),
  expiresTime: null,
})
const idsOf = (secrets: EndpointSecret[]) => secrets.map(({ id }) => id)

test.each([
  [59, ['b', 'a']],
  [60, ['b']],
  [61, ['b']],
])('%i s after a rotation with an overlap of 60 s, %j sign', (seconds, ids) => {
  const secrets = rotated([secret('a')], secret('b'), { now: timeOf(0), until: timeOf(60) })
  expect(idsOf(liveSecrets(secrets, timeOf(seconds)))).toEqual(ids)
})

test('a rotation does not prolong what an earlier one has promised to end', () => {
  const first = rotated([secret('a')], secret('b'), { now: timeOf(0), until: timeOf(10) })
  const second = rotated(first, secret('c'), { now: timeOf(5), until: timeOf(1000) })
  expect(idsOf(liveSecrets(second, timeOf(9)))).toEqual(['c', 'b', 'a'])
  expect(idsOf(liveSecrets(second, timeOf(10)))).toEqual(['c', 'b'])
})

test('a rotation without an overlap ends all former ones of its version, and none of the other', () => {
  const both = [secret('b'), { ...secret('a'), expiresTime: timeOf(100) }, secret('x', 'v1a')]
  expect(idsOf(rotated(both, secret('c'), { now: timeOf(1), until: timeOf(1) }))).toEqual(['c', 'x'])
})

test('whatever the rotations, the newest signs without an end, ten former ones at most, each as long as was promised', () => {
  const rotation = fc.record({
    version: fc.constantFrom('v1' as const, 'v1a' as const),
    overlap: fc.constantFrom(0, 1, 30, 3600, 604_800),
    after: fc.integer({ min: 0, max: 120 }),
  })
  fc.assert(
    fc.property(fc.array(rotation, { maxLength: 40 }), (rotations) => {
      let now = 0
      let secrets = [secret('first'), secret('key', 'v1a')]
      /** By version, newest first: each with the second at which it was promised to end. */
      const model: Record<SigningVersion, { id: string; end: number }[]> = {
        v1: [{ id: 'first', end: Infinity }],
        v1a: [{ id: 'key', end: Infinity }],
      }
      for (const [index, { version, overlap, after }] of rotations.entries()) {
        now += after
        const id = String(index)
        secrets = rotated(secrets, secret(id, version), { now: timeOf(now), until: timeOf(now + overlap) })
        const former = overlap === 0 ? [] : model[version].filter(({ end }) => end > now)
        model[version] = [
          { id, end: Infinity },
          ...former.map((each) => ({ ...each, end: Math.min(each.end, now + overlap) })),
        ].slice(0, 1 + mostFormerSecrets)
        for (const each of ['v1', 'v1a'] as const) {
          const live = liveSecrets(secrets, timeOf(now)).filter((one) => one.version === each)
          expect(idsOf(live)).toEqual(model[each].filter(({ end }) => end > now).map((one) => one.id))
          expect(newestSecret(secrets, each)?.expiresTime).toBeNull()
        }
      }
    }),
  )
})
