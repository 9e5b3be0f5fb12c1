import { sign, verify } from 'node:crypto'
import fc from 'fast-check'
import { calculateJwkThumbprint, createLocalJWKSet, errors, jwtVerify, SignJWT, type JSONWebKeySet } from 'jose'
import { describe, expect, it } from 'vitest'
import { createSigningKeys, type SigningKeys } from './signing-keys.ts'

const [first, second] = ['1', '2'].map((digit) => digit.repeat(32)) as [string, string]

const jwksOf = (keys: SigningKeys) => createLocalJWKSet(keys.jwks() as JSONWebKeySet)
const jwtOf = ({ es256: { current } }: SigningKeys) =>
  new SignJWT({ sub: 'somebody' }).setProtectedHeader({ alg: 'ES256', kid: current.kid }).sign(current.privateKey)

describe('signing keys', () => {
  it('follow from the secret, so that every process has the same ones', () => {
    const [one, again, other] = [first, first, second].map((secret) => createSigningKeys([secret]))
    expect(one!.jwks()).toEqual(again!.jwks())
    expect(one!.ed25519.kid).not.toBe(other!.ed25519.kid)
    expect(one!.es256.current.kid).not.toBe(other!.es256.current.kid)
  })

  it('share no material between purposes', () => {
    const { ed25519, es256 } = createSigningKeys([first])
    const [seed, scalar] = [ed25519, es256.current].map(({ privateKey }) => privateKey.export({ format: 'jwk' }).d)
    expect(seed).not.toBe(scalar)
  })

  it('are on the curve, whatever the secret', () => {
    // A public point that did not belong to the scalar would verify nothing.
    const property = fc.property(fc.string({ minLength: 32 }), (secret) => {
      const { es256, ed25519 } = createSigningKeys([secret])
      for (const [hash, { privateKey, publicKey }] of [['sha256', es256.current] as const, [null, ed25519] as const]) {
        const signature = sign(hash, Buffer.from('text'), privateKey)
        expect(verify(hash, Buffer.from('text'), publicKey, signature)).toBe(true)
        expect(verify(hash, Buffer.from('test'), publicKey, signature)).toBe(false)
      }
    })
    fc.assert(property, { numRuns: 50 })
  })

  it('sign JWTs that another library verifies with the published set', async () => {
    const keys = createSigningKeys([first])
    const verified = await jwtVerify(await jwtOf(keys), jwksOf(keys), { algorithms: ['ES256'] })
    expect(verified.payload.sub).toBe('somebody')
    const strangers = jwksOf(createSigningKeys([second]))
    await expect(jwtVerify(await jwtOf(keys), strangers)).rejects.toThrow(errors.JWKSNoMatchingKey)
  })

  it('go on verifying what a former secret signed', async () => {
    const before = createSigningKeys([first])
    const rotated = createSigningKeys([second, first])
    expect(rotated.es256.current.kid).toBe(createSigningKeys([second]).es256.current.kid)
    expect(rotated.es256.all.map(({ kid }) => kid)).toEqual([rotated.es256.current.kid, before.es256.current.kid])
    expect((await jwtVerify(await jwtOf(before), jwksOf(rotated))).payload.sub).toBe('somebody')
    expect((await jwtVerify(await jwtOf(rotated), jwksOf(rotated))).payload.sub).toBe('somebody')
  })

  it('need a secret', () => {
    expect(() => createSigningKeys([])).toThrow(/at least one secret/)
  })
})

describe('the published set', () => {
  const { keys } = createSigningKeys([first, second]).jwks()

  it('has the public keys of every secret, and nothing private', () => {
    expect(keys.map(({ kty, crv, alg }) => [kty, crv, alg])).toEqual([
      ['EC', 'P-256', 'ES256'],
      ['EC', 'P-256', 'ES256'],
      ['OKP', 'Ed25519', 'EdDSA'],
      ['OKP', 'Ed25519', 'EdDSA'],
    ])
    const known = ['alg', 'crv', 'kid', 'kty', 'use', 'x', 'y']
    for (const key of keys) expect(known).toEqual(expect.arrayContaining(Object.keys(key)))
    expect(new Set(keys.map(({ kid }) => kid)).size).toBe(4)
    expect(keys.every(({ use }) => use === 'sig')).toBe(true)
  })

  it('names each key by its RFC 7638 thumbprint', async () => {
    for (const key of keys) expect(key.kid).toBe(await calculateJwkThumbprint(key as never))
  })

  it('cannot be changed by one reader for the next', () => {
    const made = createSigningKeys([first])
    made.jwks().keys[0]!.kid = 'mine'
    expect(made.jwks().keys[0]!.kid).not.toBe('mine')
  })
})
