import { accessSync, constants, statSync } from 'node:fs'
import { join } from 'node:path'
import { inspectDatabase } from '@stoa/core'
import { EnvironmentProblem, readEnvironment, type Environment } from './environment.ts'

export interface Finding {
  check: string
  ok: boolean
  /** What was found and, when something is wrong, what to do. */
  text: string
}

const toleratedSkew = 5000
// Before this program was written, so a clock that shows less is wrong.
const earliest = Date.parse('2026-01-01')

/** Looks at everything a host needs, without changing anything but creating the home directory. */
export async function examine(env: NodeJS.ProcessEnv): Promise<Finding[]> {
  const findings = [nodeVersion()]
  let environment: Environment
  try {
    environment = readEnvironment(env)
    findings.push({
      check: 'configuration',
      ok: true,
      text: `${environment.options.mode} on ${environment.options.baseUrl}`,
    })
  } catch (error) {
    if (!(error instanceof EnvironmentProblem)) throw error
    return [...findings, { check: 'configuration', ok: false, text: error.message }]
  }
  findings.push(secretLength(environment), home(environment), secretFile(environment), localClock())
  return [...findings, ...(await database(environment))]
}

function nodeVersion(): Finding {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
  const ok = major > 20 || (major === 20 && minor >= 19)
  return {
    check: 'node',
    ok,
    text: ok ? process.version : `${process.version} is too old; install Node 20.19 or later.`,
  }
}

function secretLength({ options }: Environment): Finding {
  const ok = options.secret.length >= 32
  return { check: 'secret', ok, text: ok ? 'long enough' : 'STOA_SECRET needs at least 32 characters.' }
}

function home({ home: path }: Environment): Finding {
  try {
    accessSync(path, constants.R_OK | constants.W_OK | constants.X_OK)
    return { check: 'home', ok: true, text: path }
  } catch {
    return { check: 'home', ok: false, text: `${path} cannot be written; change its owner or set STOA_HOME.` }
  }
}

function secretFile({ home: path }: Environment): Finding {
  const stats = statSync(join(path, 'secret'), { throwIfNoEntry: false })
  const open = stats !== undefined && (stats.mode & 0o077) !== 0
  return {
    check: 'secret file',
    ok: !open,
    text: open ? `Others can read ${join(path, 'secret')}; run chmod 600 on it.` : 'private',
  }
}

function localClock(): Finding {
  const ok = Date.now() > earliest
  return { check: 'clock', ok, text: ok ? new Date().toISOString() : 'This machine’s clock is years behind; set it.' }
}

async function database({ database: url }: Environment): Promise<Finding[]> {
  try {
    const { kind, pending, writeProblem, clockSkew } = await inspectDatabase(url)
    return [
      { check: 'database', ok: true, text: kind },
      {
        check: 'migrations',
        ok: pending.length === 0,
        text:
          pending.length === 0
            ? 'up to date'
            : `${pending.length} to apply (${pending.join(', ')}); run stoa migrate, or just stoa serve.`,
      },
      {
        check: 'write access',
        ok: writeProblem === null,
        text:
          writeProblem === null
            ? 'can write'
            : `${writeProblem}. Check the file’s owner, the disk, and the rights of the database user.`,
      },
      ...(clockSkew === null
        ? []
        : [
            {
              check: 'database clock',
              ok: Math.abs(clockSkew) <= toleratedSkew,
              text: `${Math.round(clockSkew)} ms from this machine’s${Math.abs(clockSkew) > toleratedSkew ? '; run a time service on both.' : ''}`,
            },
          ]),
    ]
  } catch (error) {
    return [
      {
        check: 'database',
        ok: false,
        text: `${(error as Error).message.replace(/\.?$/, '.')} Check STOA_DATABASE and that the server runs.`,
      },
    ]
  }
}
