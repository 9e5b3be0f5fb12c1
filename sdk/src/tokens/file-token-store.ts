import { createHash, randomUUID } from 'node:crypto'
import { mkdir, open, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { acquire, defaultLease } from './acquire.ts'
import { sessionText } from './seal-session.ts'
import {
  LockLostError,
  matches,
  type LockTimes,
  type Session,
  type StoredSession,
  type TokenStore,
} from './token-store.ts'

export interface FileTokenStoreOptions extends LockTimes {
  /** Seals the tokens at rest. To change it, give the new one first and the old one after it. */
  secret?: string | readonly string[]
}

/** Of one key, as its folder holds it: `<n>.lock`, `<n>.done` when the holder let go, `<n>.json` what it wrote. */
interface Generations {
  lock: number
  done: number
  json: number
  names: string[]
}

interface Holder {
  process: number
  machine: string
  /** Milliseconds since 1970: other processes compare it. */
  until: number
}

interface Stored {
  key: string
  /** Null is a deleted session: an older generation's file must not come back to life. */
  session: Session | null
}

/**
 * Keeps tokens in a folder that several processes of one machine may share: for development and small apps.
 * Files are readable by their owner only and written whole or not at all (a temporary file, flushed and renamed).
 *
 * Every hold of a lock is a new generation, whose file is created with O_EXCL, and the highest generation is never
 * deleted. That makes taking over from a dead holder safe, where "remove the stale lock file, create mine" is not: two
 * who found the same stale file can remove each other's. And what a holder writes carries its generation, so that the
 * late write of one who was taken over is below what counts.
 *
 * A folder that holds no session goes with the lock of its last holder. The next one for the key begins above all
 * generations before it, so that whoever still thinks of an old one, holder or taker, is below what counts there too.
 */
export function fileTokenStore(path: string, options: FileTokenStoreOptions = {}): TokenStore {
  const { secret, ...times } = options
  const texts = sessionText<Stored>(secret)
  // A digest, because keys can be long and some file systems do not tell upper from lower case.
  const folderOf = (key: string) => join(path, createHash('sha256').update(key).digest('hex').slice(0, 32))

  async function get(key: string): Promise<Session | null> {
    return (await read(folderOf(key), key))?.session ?? null
  }

  async function read(folder: string, key?: string): Promise<Stored | null> {
    for (;;) {
      const { json } = await look(folder)
      if (json === 0) return null
      const text = await readFile(join(folder, `${json}.json`), 'utf8').catch(ignoreMissing)
      if (text === undefined) continue // a higher generation was written and this one removed in between
      const { key: name, sealed } = JSON.parse(text) as { key: string; sealed: string }
      if (key !== undefined && name !== key) throw new Error(`${folder} is not of ${key}.`)
      return texts.read(name, sealed)
    }
  }

  async function withLock<T>(...[key, work]: Parameters<TokenStore['withLock']>): Promise<T> {
    const folder = folderOf(key)
    const mine = await acquire(key, times, async (lease) => {
      await makeFolder(folder, key)
      return tryLock(folder, lease)
    })
    // Well before anybody may take over.
    const removableUntil = performance.now() + (times.leaseMilliseconds ?? defaultLease) / 2
    const write = async (session: Session | null) => {
      if ((await look(folder)).lock !== mine) throw new LockLostError(key)
      const sealed = texts.write(key, { key, session })
      // The next holder clears half-written files away: ours then fails to be renamed.
      const isWritten = await writeWhole(join(folder, `${mine}.json`), JSON.stringify({ key, sealed }))
      const { lock, names } = await look(folder)
      if (!isWritten || lock !== mine) throw new LockLostError(key)
      // At once, and not by the next holder: a deleted token should not lie around.
      const older = names.filter((name) => name.endsWith('.json') && Number.parseInt(name, 10) < mine)
      await Promise.all(older.map((name) => rm(join(folder, name), { force: true })))
    }
    try {
      return (await work({ get: () => get(key), set: write, delete: () => write(null) })) as T
    } finally {
      await letGo(folder, key, mine, removableUntil).catch(() => {})
    }
  }

  /** What is there from the first moment: a generation that nobody holds, and no session. It appears whole or not at all. */
  async function makeFolder(folder: string, key: string): Promise<void> {
    if (await stat(folder).catch(ignoreMissing)) return
    // In microseconds: more than a hold of the lock takes, so that no generation comes twice. And still a safe integer.
    const generation = Date.now() * 1_000
    const made = join(path, `${randomUUID()}.new`)
    await mkdir(made, { recursive: true, mode: 0o700 })
    const nothing = JSON.stringify({ key, sealed: texts.write(key, { key, session: null }) })
    for (const [ending, text] of Object.entries({ json: nothing, lock: '', done: '' })) {
      await writeFile(join(made, `${generation}.${ending}`), text, { mode: 0o600 })
    }
    // Refused when somebody else's is there by now, which is as good.
    await rename(made, folder).catch(() => rm(made, { recursive: true, force: true }))
  }

  /** Renamed away first, which is one step: nobody ever sees half a folder. */
  async function letGo(folder: string, key: string, mine: number, removableUntil: number): Promise<void> {
    const isEmpty = (await read(folder, key).catch(() => undefined))?.session === null
    if (isEmpty && (await look(folder)).lock === mine && performance.now() < removableUntil) {
      const gone = join(path, `${randomUUID()}.gone`)
      const isMoved = await rename(folder, gone).then(
        () => true,
        () => false,
      )
      if (isMoved) return rm(gone, { recursive: true, force: true })
    }
    await writeNew(join(folder, `${mine}.done`), '')
  }

  return {
    get,
    withLock,
    set: (key, session) => withLock(key, (locked) => locked.set(session)),
    delete: (key) => withLock(key, (locked) => locked.delete()),
    async list(filter) {
      const found: StoredSession[] = []
      for (const name of (await readdir(path).catch(ignoreMissing)) ?? []) {
        if (!/^[0-9a-f]{32}$/.test(name)) continue
        // What cannot be read is nobody's reason not to see the others; whoever gets that session itself is told.
        const stored = await read(join(path, name)).catch(() => null)
        if (stored?.session && matches(stored.session, filter)) found.push({ key: stored.key, session: stored.session })
      }
      return found
    },
  }
}

/** The generation that is ours now, or null while somebody lives in the highest one. */
async function tryLock(folder: string, leaseMilliseconds: number): Promise<number | null> {
  const { lock, done, names } = await look(folder)
  if (lock > done && !(await isDead(join(folder, `${lock}.lock`)))) return null
  const mine = lock + 1
  const holder: Holder = { process: process.pid, machine: hostname(), until: Date.now() + leaseMilliseconds }
  if (!(await writeNew(join(folder, `${mine}.lock`), JSON.stringify(holder)))) return null
  // We may have looked long ago: if others went on since and cleaned up, our number was free but is an old one.
  if ((await look(folder)).lock !== mine) return null
  await Promise.all(
    names.filter((name) => isOutdated(name, names)).map((name) => rm(join(folder, name), { force: true })),
  )
  return mine
}

/** Everything of the generations before, but for what was last written; and what a killed process left half-written. */
function isOutdated(name: string, names: string[]): boolean {
  if (name.endsWith('.tmp')) return true
  return name !== `${highest(names, 'json')}.json`
}

/** The lease is over, or the process that held it on this machine is gone. */
async function isDead(file: string): Promise<boolean> {
  const text = await readFile(file, 'utf8').catch(ignoreMissing)
  if (text === undefined) return false // taken and cleaned up by the next holder
  const { process: id, machine, until } = JSON.parse(text || '{}') as Partial<Holder>
  if (id === undefined || until === undefined) return isAbandoned(file)
  if (Date.now() >= until) return true
  return machine === hostname() && !isRunning(id)
}

/** Created, but never filled: its process died in between. */
async function isAbandoned(file: string): Promise<boolean> {
  const found = await stat(file).catch(ignoreMissing)
  return found !== undefined && Date.now() - found.mtimeMs > 1_000
}

function isRunning(processId: number): boolean {
  try {
    process.kill(processId, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ESRCH'
  }
}

async function look(folder: string): Promise<Generations> {
  const names = (await readdir(folder).catch(ignoreMissing)) ?? []
  return { lock: highest(names, 'lock'), done: highest(names, 'done'), json: highest(names, 'json'), names }
}

function highest(names: string[], ending: string): number {
  return Math.max(0, ...names.filter((name) => name.endsWith(`.${ending}`)).map((name) => Number.parseInt(name, 10)))
}

/** False when the file is there already, or its folder is gone. */
async function writeNew(file: string, text: string): Promise<boolean> {
  try {
    const handle = await open(file, 'wx', 0o600)
    try {
      await handle.writeFile(text)
    } finally {
      await handle.close()
    }
    return true
  } catch (error) {
    if (['EEXIST', 'ENOENT'].includes((error as NodeJS.ErrnoException).code ?? '')) return false
    throw error
  }
}

/** False when the file, or its folder, was cleared away before it was whole. */
async function writeWhole(file: string, text: string): Promise<boolean> {
  const temporary = `${file}.${randomUUID()}.tmp`
  const handle = await open(temporary, 'wx', 0o600).catch(ignoreMissing)
  if (!handle) return false
  try {
    await handle.writeFile(text)
    await handle.sync() // a refresh token that is lost with the power locks the app out
  } finally {
    await handle.close()
  }
  const renamed = await rename(temporary, file).then(() => true, ignoreMissing)
  return renamed === true
}

function ignoreMissing(error: NodeJS.ErrnoException): undefined {
  if (error.code !== 'ENOENT') throw error
}
