import { randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { isIP } from 'node:net'
import { join, resolve } from 'node:path'
import type { HostConfig } from '@stoa/core'

/** What the standalone host is told by its environment. The only place that reads it. */
export interface Environment {
  port: number
  home: string
  /** A `postgres://` URL or a file path. */
  database: string
  logLevel: string
  /** How many proxies stand in front: so many hops of X-Forwarded-For are believed. */
  proxies: number
  options: Omit<HostConfig, 'database' | 'logger'>
}

/** The variables, their defaults and meanings; `stoa help` and the documentation print this list. */
export const variables = [
  ['PORT', '4000', 'Port to listen on.'],
  ['STOA_HOME', './.stoa', 'Directory of the database, the generated secret and the demo world.'],
  ['STOA_DATABASE', '<STOA_HOME>/stoa.db', 'File path of a SQLite database, or a postgres:// URL.'],
  ['STOA_SECRET', 'generated into <STOA_HOME>/secret', 'Host secret of at least 32 characters.'],
  ['STOA_PREVIOUS_SECRETS', '', 'Comma-separated former host secrets, so that what they sealed still opens.'],
  ['STOA_BASE_URL', 'http://localhost:<PORT>', 'Address under which clients reach the host.'],
  ['STOA_NAME', 'Stoa', 'What the platform is called, also on the sign-in and consent pages.'],
  ['STOA_ACCENT_COLOR', '#1f5fbf', 'Colour of buttons and links on those pages.'],
  ['STOA_LOGO_URL', '', 'The platform’s logo on those pages, an https address.'],
  [
    'STOA_MODE',
    'development',
    'development or production. Development lets webhooks go to this machine and over http.',
  ],
  [
    'STOA_WEBHOOK_NETWORKS',
    '',
    'Comma-separated CIDR ranges of private networks that webhooks may go to, such as 10.20.0.0/16.',
  ],
  ['STOA_WEBHOOK_PROXY', '', 'A forward proxy that webhooks go through, such as http://proxy.internal:3128.'],
  ['STOA_CORS_ORIGINS', '', 'Comma-separated origins of web pages that may call the API; * for any.'],
  ['STOA_TRUST_PROXY', '0', 'How many proxies stand in front and set X-Forwarded-For.'],
  ['STOA_LOG', 'info', 'Level of the log: debug, info, warn, error, silent.'],
] as const

const logLevels = ['debug', 'info', 'warn', 'error', 'silent']

export class EnvironmentProblem extends Error {}

/** Reads the environment; creates the home directory and the secret when they are not there yet. */
export function readEnvironment(env: NodeJS.ProcessEnv): Environment {
  const port = Number(env.PORT ?? 4000)
  if (!Number.isInteger(port) || port < 0 || port > 65_535)
    throw new EnvironmentProblem(`PORT must be a port number, not "${env.PORT}".`)
  const mode = env.STOA_MODE ?? 'development'
  if (mode !== 'development' && mode !== 'production')
    throw new EnvironmentProblem('STOA_MODE must be development or production.')
  const logLevel = env.STOA_LOG ?? 'info'
  if (!logLevels.includes(logLevel)) throw new EnvironmentProblem(`STOA_LOG must be one of ${logLevels.join(', ')}.`)
  const proxies = Number(env.STOA_TRUST_PROXY ?? 0)
  if (!Number.isInteger(proxies) || proxies < 0)
    throw new EnvironmentProblem('STOA_TRUST_PROXY must be a number of proxies.')
  const home = resolve(env.STOA_HOME ?? '.stoa')
  createHome(home)
  return {
    port,
    home,
    database: env.STOA_DATABASE ?? join(home, 'stoa.db'),
    logLevel,
    proxies,
    options: {
      secret: env.STOA_SECRET ?? secretIn(home),
      previousSecrets: listIn(env.STOA_PREVIOUS_SECRETS),
      baseUrl: (env.STOA_BASE_URL ?? `http://localhost:${port}`).replace(/\/+$/, ''),
      name: env.STOA_NAME ?? 'Stoa',
      pages: {
        ...(env.STOA_ACCENT_COLOR && { accentColor: env.STOA_ACCENT_COLOR }),
        ...(env.STOA_LOGO_URL && { logoUrl: env.STOA_LOGO_URL }),
      },
      mode,
      corsOrigins: listIn(env.STOA_CORS_ORIGINS),
      webhooks: {
        allowPrivateNetworks: [
          ...(mode === 'development' ? ['127.0.0.0/8', '::1/128'] : []),
          ...networksIn(env.STOA_WEBHOOK_NETWORKS),
        ],
        allowHttp: mode === 'development',
        ...(env.STOA_WEBHOOK_PROXY && { proxy: proxyIn(env.STOA_WEBHOOK_PROXY) }),
      },
    },
  }
}

function listIn(text = ''): string[] {
  return text
    .split(',')
    .map((each) => each.trim())
    .filter(Boolean)
}

function networksIn(text: string | undefined): string[] {
  const networks = listIn(text)
  for (const network of networks) {
    const [, address = '', bits = ''] = /^([^/]+)\/(\d{1,3})$/.exec(network) ?? []
    const family = isIP(address)
    if (family !== 0 && Number(bits) <= (family === 4 ? 32 : 128)) continue
    throw new EnvironmentProblem(`STOA_WEBHOOK_NETWORKS must be ranges such as 10.20.0.0/16, not "${network}".`)
  }
  return networks
}

/** Not repeated in the complaint: there may be a password in it. */
function proxyIn(text: string): string {
  if (/^https?:\/\//.test(text) && URL.canParse(text)) return text
  throw new EnvironmentProblem('STOA_WEBHOOK_PROXY must be an address such as http://proxy.internal:3128.')
}

function createHome(home: string): void {
  try {
    mkdirSync(home, { recursive: true, mode: 0o700 })
  } catch (error) {
    throw new EnvironmentProblem(
      `Cannot create ${home}: ${(error as Error).message}. Set STOA_HOME to a directory you can write.`,
    )
  }
}

function secretIn(home: string): string {
  const path = join(home, 'secret')
  try {
    // Created exclusively, so that two starters agree on one secret.
    if (!existsSync(path)) writeFileSync(path, randomBytes(32).toString('base64url'), { mode: 0o600, flag: 'wx' })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') {
      throw new EnvironmentProblem(`Cannot write ${path}: ${(error as Error).message}. Set STOA_HOME or STOA_SECRET.`)
    }
  }
  return readFileSync(path, 'utf8').trim()
}
