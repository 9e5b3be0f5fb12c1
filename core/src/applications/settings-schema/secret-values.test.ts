import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  applyUpdate,
  createSettingsCompiler,
  maskSecrets,
  mergeSecrets,
  splitSecrets,
  toSettingsObject,
  vetSettingsSchema,
} from './index.ts'

const schema = {
  type: 'object',
  properties: {
    color: { type: 'string' },
    key: { type: 'string', writeOnly: true },
    connection: {
      type: 'object',
      properties: { host: { type: 'string' }, password: { $ref: '#/definitions/password' } },
    },
  },
  oneOf: [{ properties: { constructor: { type: 'number', 'x-secret': true } } }],
  definitions: { password: { type: 'string', format: 'password' } },
}
const compiled = createSettingsCompiler({ cacheSize: 1 }).compile(schema)
const stored = { color: 'red', key: 'sk_live_0123456789', connection: { host: 'h', password: 'correct horse' } }

test('secrets are found behind references, in branches and in nested objects', () => {
  expect(vetSettingsSchema(schema)).toEqual([])
  expect(compiled.secretPaths).toEqual([['constructor'], ['key'], ['connection', 'password']])
})

describe('masking', () => {
  test('shows that a secret is set and its end, and leaves everything else', () => {
    expect(maskSecrets(compiled, stored)).toEqual({
      color: 'red',
      key: { set: true, last4: '6789' },
      connection: { host: 'h', password: { set: true, last4: 'orse' } },
    })
    expect(maskSecrets(compiled, { color: 'red' })).toEqual({ color: 'red' })
  })

  test('shows nothing of a secret that is short or not text', () => {
    const masked = maskSecrets(compiled, { key: 'short-one', constructor: 123456789012, connection: { password: '' } })
    expect(masked).toEqual({
      key: { set: true, last4: null },
      constructor: { set: true, last4: null },
      connection: { password: { set: true, last4: null } },
    })
  })
})

describe('an update', () => {
  const update = (incoming: Record<string, unknown> | []) => applyUpdate(compiled, stored, incoming)

  test('keeps secrets that are absent or masked and replaces everything else', () => {
    expect(update({ color: 'blue' })).toEqual({
      color: 'blue',
      key: stored.key,
      connection: { password: 'correct horse' },
    })
    expect(update(maskSecrets(compiled, stored))).toEqual(stored)
    expect(update({ key: { set: true } })).toMatchObject({ key: stored.key })
    expect(update({ key: 'new', connection: { password: 'new' } })).toEqual({
      key: 'new',
      connection: { password: 'new' },
    })
  })

  test('clears a secret with null, and those in an object with null for the object', () => {
    expect(update({ key: null, connection: { host: 'h', password: null } })).toEqual({ connection: { host: 'h' } })
    expect(update({ key: null, connection: null })).toEqual({ connection: null })
  })

  test('never stores a mask, even if there is nothing to keep', () => {
    expect(applyUpdate(compiled, {}, { key: { set: true, last4: '6789' } })).toEqual({})
    expect(applyUpdate(compiled, { key: null }, { key: { set: true, last4: null } })).toEqual({})
  })

  test('takes [] for {}, for the settings and for an object around a secret', () => {
    expect(update([])).toEqual({ key: stored.key, connection: { password: 'correct horse' } })
    expect(update({ connection: [] })).toMatchObject({ connection: { password: 'correct horse' } })
    expect(toSettingsObject([])).toEqual({})
    expect(toSettingsObject(null)).toBeUndefined()
  })

  test('leaves an object that only looks like a mask to the check', () => {
    const odd = { key: { set: true, last4: 'x', more: 1 } }
    expect(update(odd)).toMatchObject(odd)
    expect(compiled.check(update(odd))).toMatchObject([{ field: 'key', missing: false }])
  })
})

test('a stored secret that the schema no longer calls secret does not come out', () => {
  const { secrets } = splitSecrets(compiled, stored)
  expect(mergeSecrets({ secretPaths: [['key']] }, { color: 'red' }, secrets)).toEqual({ color: 'red', key: stored.key })
})

// Distinct marks, so that a leak can be searched for in the serialised result.
const secret = fc.uuid().map((id) => `SECRET-${id}`)
const plain = fc.oneof(fc.string({ maxLength: 3 }), fc.integer(), fc.constant([]), fc.constant({}))
const optional = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: undefined })
const absentless = <T extends object>(object: T) =>
  Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined)) as Record<string, unknown>
const whole = fc
  .record({
    color: optional(plain),
    key: optional(secret),
    constructor: optional(secret),
    connection: optional(fc.record({ host: optional(plain), password: optional(secret) }).map(absentless)),
  })
  .map(absentless)
const incomingSecret = fc.constantFrom<unknown>(
  undefined,
  null,
  { set: true, last4: 'abcd' },
  { set: true },
  'replacement',
)
const incoming = fc
  .record({
    color: optional(plain),
    key: incomingSecret,
    constructor: incomingSecret,
    connection: optional(fc.record({ host: optional(plain), password: incomingSecret }).map(absentless)),
  })
  .map(absentless)

describe('for all settings', () => {
  const at = (values: unknown, path: string[]): unknown =>
    path.reduce<unknown>(
      (object, key) => (object as Record<string, unknown> | undefined)?.[key],
      Object.assign(Object.create(null), values),
    )

  test('splitting takes every secret out, merging puts every one back, and neither changes its input', () => {
    fc.assert(
      fc.property(whole, (values) => {
        const before = structuredClone(values)
        const { open, secrets } = splitSecrets(compiled, values)
        expect(JSON.stringify(open)).not.toContain('SECRET')
        expect(mergeSecrets(compiled, open, secrets)).toEqual(values)
        expect(values).toEqual(before)
      }),
    )
  })

  test('a mask shows at most the last four characters', () => {
    fc.assert(
      fc.property(whole, (values) => {
        expect(JSON.stringify(maskSecrets(compiled, values))).not.toContain('SECRET')
      }),
    )
  })

  test('an update loses a secret only by null, stores no mask and leaks nothing into open settings', () => {
    fc.assert(
      fc.property(whole, incoming, (values, sent) => {
        const before = structuredClone([values, sent])
        const updated = applyUpdate(compiled, values, sent)
        expect([values, sent]).toEqual(before)
        for (const path of compiled.secretPaths) {
          const was = at(values, path)
          const now = at(updated, path)
          const said = at(sent, path)
          if (said === 'replacement') expect(now).toBe('replacement')
          else expect(now).toBe(said === null ? undefined : was)
        }
        const { open } = splitSecrets(compiled, updated)
        expect(JSON.stringify(open)).not.toMatch(/SECRET|replacement|"set"/)
        expect(open['color']).toEqual(sent['color'])
      }),
    )
  })

  test('sending back what was shown changes nothing', () => {
    fc.assert(
      fc.property(whole, (values) => {
        expect(applyUpdate(compiled, values, maskSecrets(compiled, values))).toEqual(values)
      }),
    )
  })
})
