import { execFile, spawn } from 'node:child_process'
import { chmod, cp, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { existsSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { freePort } from '../support/run-stoa.ts'

const run = promisify(execFile)
const root = fileURLToPath(new URL('../../', import.meta.url))
const PACKAGES = ['sdk', 'core', 'apps/server']

interface Manifest {
  name: string
  version: string
  bin?: Record<string, string>
  dependencies?: Record<string, string>
}

/**
 * What npm would publish, as a stranger would use it: built, packed, unpacked into an empty project and run from there,
 * where no `@stoa/source` condition and no TypeScript source can stand in for what is missing.
 *
 * It is built in a copy of the sources, because the working tree's dist/ also holds what `npm run check` and deleted
 * files left there, and because other tests and editors use it meanwhile.
 *
 * The packages of others are linked from the repository's node_modules instead of installed: `npm install` of the
 * tarballs would need the network, and compile better-sqlite3 where there is no prebuilt binary (100 s). Only the
 * *declared* dependencies are linked, so that one which is missing from a package.json is missing here too.
 */
describe('the published packages', () => {
  let folder: string
  let project: string

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'stoa-packed-'))
    const sources = join(folder, 'sources')
    const tarballs = join(folder, 'tarballs')
    project = join(folder, 'project')
    await copySources(sources)
    await runIn(sources, 'npm', ['run', 'build'])
    await mkdir(tarballs)
    for (const path of PACKAGES) await runIn(join(sources, path), 'npm', ['pack', '--pack-destination', tarballs])
    await installInto(project, tarballs)
  }, 180_000)

  afterAll(() => rm(folder, { recursive: true, force: true }))

  it('hold what was built, and neither tests nor sources', async () => {
    for (const name of ['sdk', 'core', 'server']) {
      const files = await readdir(join(project, 'node_modules/@stoa', name), { recursive: true })
      expect(files).toContain('package.json')
      expect(files.filter((file) => /\.test\.|^src\b/.test(file))).toEqual([])
    }
  })

  it('can be imported by their names', async () => {
    const script = `
      import * as core from '@stoa/core'
      import * as testing from '@stoa/core/testing'
      import * as sdk from '@stoa/sdk'
      import * as contract from '@stoa/sdk/contract'
      import * as sdkTesting from '@stoa/sdk/testing'
      const doors = { testing, sdk, contract, sdkTesting }
      console.log(typeof core.createHost, Object.values(doors).every((door) => Object.keys(door).length > 0))`
    await writeFile(join(project, 'import.js'), script)
    expect(await runIn(project, process.execPath, ['import.js'])).toBe('function true\n')
  })

  it('of them the sdk works alone, and says what its SQLite store needs', async () => {
    const alone = join(folder, 'alone')
    await installInto(alone, join(folder, 'tarballs'), 'stoa-sdk-')
    const script = `
      import { sqliteTokenStore, fileTokenStore, stoaApp } from '@stoa/sdk'
      console.log(typeof stoaApp, typeof fileTokenStore)
      await sqliteTokenStore(':memory:').catch((error) => console.log(error.message))`
    await writeFile(join(alone, 'script.js'), script)
    expect(await runIn(alone, process.execPath, ['script.js'])).toMatch(
      /^function function\n.*npm install better-sqlite3/,
    )
  })

  it('know their version', async () => {
    const { version } = await readManifest(join(root, 'core'))
    await writeFile(join(project, 'version.js'), `import { version } from '@stoa/core'\nconsole.log(version)`)
    expect(await runIn(project, process.execPath, ['version.js'])).toBe(`${version}\n`)
  })

  it('have types that a strict project can use', async () => {
    const script = `
      import { createHost } from '@stoa/core'
      import * as sdk from '@stoa/sdk'
      // An untyped package would be any, and so accept this.
      // @ts-expect-error
      createHost satisfies number
      export const names = Object.keys(sdk)`
    await writeFile(join(project, 'types.ts'), script)
    const options = ['--strict', '--noEmit', '--skipLibCheck', '--module', 'nodenext', '--target', 'es2023']
    await runIn(project, join(root, 'node_modules/.bin/tsc'), [...options, 'types.ts'])
  })

  it('serve the API, its document and the page that shows it, with everything the page loads', async () => {
    const url = await serveFrom(project)
    const get = async (path: string) => {
      const response = await fetch(url + path)
      expect([path, response.status]).toEqual([path, 200])
      return response
    }
    await get('/health')
    const document = (await (await get('/openapi.json')).json()) as { openapi: string; paths: object }
    expect(document.openapi).toBe('3.1.0')
    expect(Object.keys(document.paths).length).toBeGreaterThan(20)
    const page = await (await get('/api/documentation')).text()
    const loaded = [...page.matchAll(/(?:href|src)="(documentation\/[^"]+)"/g)].map(([, path]) => path!)
    expect(loaded).toContain('documentation/swagger-ui-bundle.js')
    for (const path of loaded) expect((await (await get(`/api/${path}`)).text()).length).toBeGreaterThan(0)
  })

  it('give the command stoa', async () => {
    const { version } = await readManifest(join(root, 'apps/server'))
    expect(await runIn(project, 'npx', ['--no-install', 'stoa', '--version'])).toContain(version)
  })
})

/** `npx stoa serve` in an empty home, until the test is over. */
async function serveFrom(project: string): Promise<string> {
  const port = String(await freePort())
  const child = spawn(join(project, 'node_modules/.bin/stoa'), ['serve'], {
    cwd: project,
    env: { ...cleanEnvironment(), STOA_HOME: join(project, 'home'), STOA_LOG: 'warn', PORT: port },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  onTestFinished(() => void child.kill('SIGKILL'))
  let output = ''
  await new Promise<void>((resolve, reject) => {
    const onData = (data: Buffer) => {
      output += String(data)
      if (output.includes('Documentation:')) resolve()
    }
    child.stdout.on('data', onData)
    child.stderr.on('data', onData)
    child.once('exit', (code) => reject(new Error(`stoa serve ended with ${code}: ${output}`)))
  })
  return `http://localhost:${port}`
}

async function copySources(target: string): Promise<void> {
  for (const file of ['package.json', 'tsconfig.base.json', 'tsconfig.build.json']) {
    await cp(join(root, file), join(target, file), { recursive: true })
  }
  const filter = (path: string) => !['node_modules', 'dist'].includes(basename(path))
  for (const path of PACKAGES) await cp(join(root, path), join(target, path), { recursive: true, filter })

  // The repository's packages, but for our own, which are links to the sources that were left behind.
  for (const name of await readdir(join(root, 'node_modules'))) {
    if (name !== '@stoa') await link(join(root, 'node_modules', name), join(target, 'node_modules', name))
  }
  for (const path of PACKAGES) {
    const { name } = await readManifest(join(root, path))
    await link(join(target, path), join(target, 'node_modules', name))
    const own = join(root, path, 'node_modules')
    if (existsSync(own)) await link(own, join(target, path, 'node_modules'))
  }
}

/** What `npm install <tarballs>` does, offline: unpack, link the dependencies, link the commands. */
async function installInto(project: string, tarballs: string, prefix = ''): Promise<void> {
  const modules = join(project, 'node_modules')
  await mkdir(join(modules, '.bin'), { recursive: true })
  await writeFile(join(project, 'package.json'), JSON.stringify({ name: 'a-project', private: true, type: 'module' }))
  for (const tarball of await readdir(tarballs)) {
    if (!tarball.startsWith(prefix)) continue
    const unpacked = join(project, tarball.replace(/\.tgz$/, ''))
    await mkdir(unpacked)
    await run('tar', ['-xzf', join(tarballs, tarball), '-C', unpacked, '--strip-components=1'])
    const manifest = await readManifest(unpacked)
    await cp(unpacked, join(modules, manifest.name), { recursive: true })
    await rm(unpacked, { recursive: true })
    for (const [command, script] of Object.entries(manifest.bin ?? {})) {
      await chmod(join(modules, manifest.name, script), 0o755)
      await link(join(modules, manifest.name, script), join(modules, '.bin', command))
    }
    for (const dependency of Object.keys(manifest.dependencies ?? {})) {
      if (dependency.startsWith('@stoa/') || existsSync(join(modules, dependency))) continue
      await link(findDependency(manifest.name, dependency), join(modules, dependency))
    }
  }
}

/** npm puts a package in the workspace that needs it when the others need another version of it. */
function findDependency(name: string, dependency: string): string {
  const workspace = PACKAGES.find((path) => basename(path) === basename(name)) ?? ''
  const own = join(root, workspace, 'node_modules', dependency)
  return existsSync(own) ? own : join(root, 'node_modules', dependency)
}

async function readManifest(folder: string): Promise<Manifest> {
  return JSON.parse(await readFile(join(folder, 'package.json'), 'utf8')) as Manifest
}

async function link(target: string, path: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true })
  await symlink(target, path)
}

/** Standard output; when the command fails, an error with all that it printed. */
async function runIn(cwd: string, command: string, args: string[]): Promise<string> {
  try {
    return (await run(command, args, { cwd, env: cleanEnvironment() })).stdout
  } catch (error) {
    const { stdout, stderr } = error as { stdout: string; stderr: string }
    throw new Error(`${command} ${args.join(' ')} failed\n${stdout}\n${stderr}`, { cause: error })
  }
}

/** Not what vitest set for itself: NODE_OPTIONS and its conditions would reach the sources after all. */
function cleanEnvironment(): NodeJS.ProcessEnv {
  const { NODE_OPTIONS: _options, NODE_ENV: _env, ...env } = process.env
  return env
}
