import { spawn, type ChildProcess } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { onTestFinished } from 'vitest'

/** For tests that start processes: seconds on a quiet machine, more on a busy one. */
export const patient = 180_000

export const root = fileURLToPath(new URL('../..', import.meta.url))
// By its full address, because a script may run in a directory that has no node_modules.
const tsx = import.meta.resolve('tsx')
const command = join(root, 'apps/server/src/stoa.ts')

export interface Ran {
  code: number | null
  stdout: string
  stderr: string
}

/** A home directory for the command, removed when the test is over. */
export async function makeHome(): Promise<string> {
  const home = await mkdtemp(join(tmpdir(), 'stoa-home-'))
  onTestFinished(() => rm(home, { recursive: true, force: true }))
  return home
}

/** Runs the stoa command as `npm run stoa --` does, and waits for its end. */
export function runStoa(args: string[], env: Record<string, string>): Promise<Ran> {
  return finished(spawnNode([command, ...args], env))
}

export interface Started {
  child: ChildProcess
  stdout: () => string
  stderr: () => string
  /** The exit code, once it has ended. */
  ended: Promise<number | null>
}

/** Starts the stoa command and leaves it running, at most until the end of the test. */
export function startStoa(args: string[], env: Record<string, string>): Started {
  const child = spawnNode([command, ...args], env)
  onTestFinished(() => void child.kill('SIGKILL'))
  const output = { stdout: '', stderr: '' }
  child.stdout!.on('data', (data) => (output.stdout += String(data)))
  child.stderr!.on('data', (data) => (output.stderr += String(data)))
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve))
  return { child, stdout: () => output.stdout, stderr: () => output.stderr, ended }
}

/** Starts `stoa serve` and waits until it listens. */
export async function serveStoa(
  env: Record<string, string>,
): Promise<{ url: string; child: ChildProcess; output: () => string }> {
  const port = env.PORT ?? String(await freePort())
  const child = spawnNode([command, 'serve'], { STOA_LOG: 'warn', ...env, PORT: port })
  onTestFinished(() => void child.kill('SIGKILL'))
  let output = ''
  child.stderr!.on('data', (data) => (output += String(data)))
  await new Promise<void>((resolve, reject) => {
    child.stdout!.on('data', (data) => {
      output += String(data)
      if (output.includes('npm run demo')) resolve()
    })
    child.once('exit', (code) => reject(new Error(`stoa serve ended with ${code}: ${output}`)))
  })
  return { url: `http://localhost:${port}`, child, output: () => output }
}

/** Runs a script with the packages' sources, as development does. */
export function spawnNode(args: string[], env: Record<string, string>, cwd = root): ChildProcess {
  return spawn(process.execPath, ['--conditions=@stoa/source', '--import', tsx, ...args], {
    cwd,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
}

export function finished(child: ChildProcess): Promise<Ran> {
  let stdout = ''
  let stderr = ''
  child.stdout!.on('data', (data) => (stdout += String(data)))
  child.stderr!.on('data', (data) => (stderr += String(data)))
  return new Promise((resolve) => child.once('close', (code) => resolve({ code, stdout, stderr })))
}

export async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, resolve))
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}
