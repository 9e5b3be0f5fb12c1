import { describe, expect, it } from 'vitest'
import { hashPassword, verifyPassword } from './passwords.ts'

describe('a hashed password', () => {
  it('fits the password it was made of and no other', async () => {
    const hash = await hashPassword('correct horse battery')
    expect(await verifyPassword('correct horse battery', hash)).toBe(true)
    for (const wrong of ['', 'correct horse batter', 'correct horse battery ', 'Correct horse battery']) {
      expect(await verifyPassword(wrong, hash)).toBe(false)
    }
  })

  it('is salted: the same password never gives the same hash', async () => {
    expect(await hashPassword('same')).not.toBe(await hashPassword('same'))
  })

  it('names its parameters and not the password', async () => {
    const hash = await hashPassword('hunter2-hunter2')
    expect(hash).toMatch(/^scrypt\$16384\$8\$5\$[\w-]{22}\$[\w-]{43}$/)
    expect(hash).not.toContain('hunter2')
  })

  it('made with other parameters still fits', async () => {
    // scrypt of "password" with N=1024, r=8, p=16 and salt "NaCl", the first 32 bytes of RFC 7914's test vector.
    const key = Buffer.from('fdbabe1c9d3472007856e7190d01e9fe7c6ad7cbc8237830e77376634b373162', 'hex').toString(
      'base64url',
    )
    const hash = `scrypt$1024$8$16$${Buffer.from('NaCl').toString('base64url')}$${key}`
    expect(await verifyPassword('password', hash)).toBe(true)
    expect(await verifyPassword('Password', hash)).toBe(false)
  })

  it('takes one password for another way of writing it in Unicode', async () => {
    expect(await verifyPassword('Grüße'.normalize('NFD'), await hashPassword('Grüße'.normalize('NFC')))).toBe(true)
  })

  it('that does not exist fits nothing', async () => {
    for (const any of ['', 'password', '\0'.repeat(32)]) expect(await verifyPassword(any, null)).toBe(false)
  })
})
