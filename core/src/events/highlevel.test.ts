import { createPublicKey, verify } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createSigningKeys, newId } from '../kernel/index.ts'
import { highLevelText, publicKeyShape, signHighLevel, webhookIdOf } from './highlevel.ts'

const { privateKey, publicKey } = createSigningKeys(['x'.repeat(32)]).ed25519
const now = new Date('2026-03-01T12:00:00.000Z')

describe('the id of a webhook', () => {
  it('is the UUID of the event’s id', () => {
    const id = newId('evt')
    expect(webhookIdOf(id)).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
    expect(webhookIdOf(id).replaceAll('-', '')).toBe(id.slice('evt_'.length))
  })

  it('is not made up for an id of another make', () => {
    expect(() => webhookIdOf('evt_1')).toThrow(TypeError)
  })
})

describe('the text to send', () => {
  it('carries when and which, after what the event tells', () => {
    const id = newId('evt')
    const text = highLevelText(id, { type: 'UNINSTALL', appId: 'app_1' }, now)
    const rest = `"timestamp":"2026-03-01T12:00:00.000Z","webhookId":"${webhookIdOf(id)}"}`
    expect(text).toBe(`{"type":"UNINSTALL","appId":"app_1",${rest}`)
  })

  it('is what a receiver gets that parses it and writes it again, whatever is in it', () => {
    const property = fc.property(fc.string({ unit: 'binary' }), (companyName) => {
      const text = highLevelText(newId('evt'), { type: 'INSTALL', companyName }, now)
      const arrived = Buffer.from(text, 'utf8').toString('utf8')
      const signature = signHighLevel(text, privateKey)['X-GHL-Signature']!
      const again = Buffer.from(JSON.stringify(JSON.parse(arrived)))
      expect(verify(null, again, publicKey, Buffer.from(signature, 'base64'))).toBe(true)
    })
    fc.assert(property)
  })
})

it('the public key is shown in two spellings of one key', () => {
  const { publicKey: spki, pem } = publicKeyShape(publicKey)
  expect(createPublicKey({ key: Buffer.from(spki, 'base64'), format: 'der', type: 'spki' }).equals(publicKey)).toBe(
    true,
  )
  expect(createPublicKey(pem).equals(publicKey)).toBe(true)
})
