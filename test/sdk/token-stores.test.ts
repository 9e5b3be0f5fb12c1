import { randomUUID } from 'node:crypto'
import { mkdtempSync } from 'node:fs'
import { readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import { fileTokenStore, memoryTokenStore, sqliteTokenStore, type Session } from '@stoa/sdk'
import { tokenStoreContract, type OpenTokenStore } from '@stoa/sdk/testing'
import { afterAll, describe, expect, it, test } from 'vitest'

const folder = mkdtempSync(join(tmpdir(), 'stoa-tokens-'))
afterAll(() => rm(folder, { recursive: true, force: true }))
const newPath = () => join(folder, randomUUID())
const secret = 'a-long-secret-of-the-store-1'

const session: Session = {
  userType: 'Location',
  accessToken: 'stoa_at_visible',
  refreshToken: 'stoa_rt_visible',
  obtainedTime: '2026-11-21T10:00:00.000Z',
  expiresTime: '2026-11-21T11:00:00.000Z',
  scopes: ['charges.write'],
  environment: 'production',
  companyId: 'org_1',
  locationId: 'loc_1',
}

const stores: Record<string, OpenTokenStore> = {
  memory: async (times) => {
    const store = memoryTokenStore(times)
    return async () => store
  },
  file: async (times) => {
    const path = newPath()
    return async () => fileTokenStore(path, times)
  },
  'sealed file': async (times) => {
    const path = newPath()
    return async () => fileTokenStore(path, { ...times, secret })
  },
  sqlite: async (times) => {
    const path = newPath()
    return () => sqliteTokenStore(path, times)
  },
  'sealed sqlite': async (times) => {
    const path = newPath()
    return () => sqliteTokenStore(path, { ...times, secret })
  },
  'an own sqlite database with safe integers': async (times) => {
    const db = new Database(newPath()).defaultSafeIntegers(true)
    return () => sqliteTokenStore(db, times)
  },
}

describe.each(Object.entries(stores))('the token store: %s', (_name, open) => {
  for (const { name, run } of tokenStoreContract(open)) it(name, run)
})

describe('at rest', () => {
  const contents = async (path: string): Promise<string> => {
    const found = await stat(path)
    if (found.isFile()) return readFile(path, 'latin1')
    const inside = await readdir(path)
    return (await Promise.all(inside.map((name) => contents(join(path, name))))).join('\n')
  }

  test('the files of a file store are readable by their owner only', async () => {
    const path = newPath()
    await fileTokenStore(path).set('a', session)
    for (const name of await readdir(path, { recursive: true })) {
      expect((await stat(join(path, name))).mode & 0o077, name).toBe(0)
    }
  })

  test('so is the file of a SQLite store, with its companions', async () => {
    const path = newPath()
    const store = await sqliteTokenStore(path)
    await store.set('a', session)
    for (const end of ['', '-wal']) expect((await stat(path + end)).mode & 0o077, end).toBe(0)
    store.close()
  })

  const kinds = {
    file: async (path: string, key?: string | string[]) => fileTokenStore(path, { secret: key }),
    sqlite: (path: string, key?: string | string[]) => sqliteTokenStore(path, { secret: key }),
  }

  describe.each(Object.entries(kinds))('a sealed %s store', (_kind, open) => {
    test('shows no token', async () => {
      const [sealed, plain] = [newPath(), newPath()]
      await (await open(sealed, secret)).set('a', session)
      await (await open(plain)).set('a', session)
      const inside = async (path: string) =>
        (await contents(path)) + (await readFile(`${path}-wal`, 'latin1').catch(() => ''))
      expect(await inside(plain)).toContain('_visible')
      expect(await inside(sealed)).not.toContain('_visible')
    })

    test('opens under an older secret, seals under the first, and refuses any other loudly', async () => {
      const path = newPath()
      await (await open(path, secret)).set('a', session)
      const newer = 'another-long-secret-of-it-2'
      const both = await open(path, [newer, secret])
      expect(await both.get('a')).toEqual(session)
      await both.set('a', session)
      expect(await (await open(path, newer)).get('a')).toEqual(session)
      await expect((await open(path, secret)).get('a')).rejects.toThrow('does not open')
      await expect((await open(path)).get('a')).rejects.toThrow('sealed')
    })

    test('does not take a token that was stored without a secret', async () => {
      const path = newPath()
      await (await open(path)).set('a', session)
      await expect((await open(path, secret)).get('a')).rejects.toThrow('without a secret')
    })
  })

  test('a sealed session that was moved to another key does not open', async () => {
    const path = newPath()
    const store = await sqliteTokenStore(path, { secret })
    await store.set('loc_1', session)
    const db = new Database(path)
    db.prepare(`UPDATE stoa_sessions SET key = 'loc_2'`).run()
    db.close()
    await expect(store.get('loc_2')).rejects.toThrow('does not open')
  })

  test('a secret that is a password is refused at once', () => {
    expect(() => fileTokenStore(newPath(), { secret: 'hunter2' })).toThrow('too short')
  })

  test('a token that was replaced or deleted is gone from the disk', async () => {
    const path = newPath()
    const store = fileTokenStore(path)
    await store.set('a', { ...session, accessToken: 'the first' })
    await store.set('a', session)
    expect(await contents(path)).not.toContain('the first')
    await store.delete('a')
    expect(await contents(path)).not.toContain('_visible')
  })

  test('nothing is left in the folder of what was deleted, or was never there', async () => {
    const path = newPath()
    const store = fileTokenStore(path, { secret })
    await store.set('a', session)
    await store.set('kept', session)
    await store.delete('a')
    await store.delete('b')
    await store.withLock('c', async () => {})
    expect(await readdir(path)).toHaveLength(1)
    await store.set('a', session)
    expect(await store.get('a')).toEqual(session)
    expect(await store.get('kept')).toEqual(session)
  })

  test('folders come and go under many who write and delete, one at a time, and nothing comes back', async () => {
    const path = newPath()
    const all = [fileTokenStore(path), fileTokenStore(path), fileTokenStore(path)]
    let inside = 0
    let last: Session | null = null
    const one = (index: number) =>
      all[index % all.length]!.withLock('a', async (locked) => {
        expect(++inside).toBe(1)
        expect(await locked.get()).toEqual(last)
        last = index % 3 === 0 ? { ...session, accessToken: `of ${index}` } : null
        await (last ? locked.set(last) : locked.delete())
        inside--
      })
    await Promise.all(Array.from({ length: 90 }, (_, index) => one(index)))
    await all[0]!.delete('a')
    expect(await readdir(path)).toEqual([])
  })

  test('whoever hangs while the session is deleted, and written anew, changes neither', async () => {
    const path = newPath()
    const store = fileTokenStore(path, { leaseMilliseconds: 50 })
    let wake = () => {}
    const asleep = new Promise<void>((resolve) => (wake = resolve))
    let begun = () => {}
    const holding = new Promise<void>((resolve) => (begun = resolve))
    const hung = store.withLock('a', async (locked) => {
      begun()
      await asleep
      await locked.set({ ...session, accessToken: 'too late' })
    })
    await holding
    const other = fileTokenStore(path)
    await other.delete('a')
    await other.set('a', session)
    wake()
    await expect(hung).rejects.toThrow('was lost')
    expect(await other.get('a')).toEqual(session)
  })

  test('one session that cannot be read keeps nobody from the others', async () => {
    const path = newPath()
    const store = fileTokenStore(path)
    await store.set('a', session)
    const [folder] = await readdir(path)
    const [written] = (await readdir(join(path, folder!))).filter((name) => name.endsWith('.json'))
    await store.set('b', session)
    await writeFile(join(path, folder!, written!), 'not JSON')
    expect((await store.list({})).map(({ key }) => key)).toEqual(['b'])
    await expect(store.get('a')).rejects.toThrow('JSON')
  })

  test('strange files in the folder disturb nobody', async () => {
    const path = newPath()
    const store = fileTokenStore(path)
    await store.set('a', session)
    await writeFile(join(path, '.DS_Store'), 'x')
    expect(await store.list({})).toHaveLength(1)
  })
})
