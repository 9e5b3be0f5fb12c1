import type { JWK } from 'jose'
import type { Environment, TokenStore } from '../tokens/index.ts'

export interface StoaAppOptions {
  /** Where the host is, with its mount path. It is the issuer of the tokens as well. */
  hostUrl: string
  clientId: string
  /** Of a confidential client. */
  clientSecret?: string
  /** How the secret is sent; default `client_secret_basic`. */
  clientAuthentication?: 'client_secret_basic' | 'client_secret_post'
  /** Instead of a secret: the private key, with `alg` and `kid`, whose public half is registered (`private_key_jwt`). */
  privateKey?: JWK
  /** One of the application's redirect URIs, exactly as registered: where `callback` is mounted. */
  redirectUri: string
  /** What to ask for; default: what the application is registered with. */
  scopes?: readonly string[]
  /**
   * Where customers may install, the usual place first; default `['production']`. Whoever opens the install page chooses among
   * them (`?environment=`), and nobody pays in the sandbox: allow it when the app heeds `installation.environment`.
   */
  environments?: readonly [Environment, ...Environment[]]
  /** Where tokens are kept. */
  store: TokenStore
  /**
   * Seals the cookie of an installation that is under way; several while you change it. Default: the client secret.
   * Needed by an app that has none.
   */
  cookieSecret?: string | readonly string[]
  /** Allows a host on plain http that is not on this machine. On this machine it is always allowed. */
  allowInsecureRequests?: boolean
  fetch?: typeof fetch
  /** The time, for tests. */
  now?: () => Date
}

/** The options after they were looked at, with what follows from them. */
export interface AppContext extends StoaAppOptions {
  hostUrl: string
  allowInsecureRequests: boolean
  environments: readonly [Environment, ...Environment[]]
  cookieSecret: string | readonly string[]
  fetch: typeof fetch
  now: () => Date
}

/** @throws TypeError for options that cannot work, at start and not at the first customer. */
export function checkOptions(options: StoaAppOptions): AppContext {
  const host = parseUrl('hostUrl', options.hostUrl)
  parseUrl('redirectUri', options.redirectUri)
  if (!options.clientId) throw new TypeError('clientId is missing: it is shown with the registered application.')
  if (!options.store) throw new TypeError('store is missing: memoryTokenStore() will do for a start.')
  if (options.clientSecret !== undefined && options.privateKey !== undefined) {
    throw new TypeError('Give clientSecret or privateKey, not both.')
  }
  const allowInsecureRequests = options.allowInsecureRequests ?? isLoopback(host)
  if (host.protocol !== 'https:' && !allowInsecureRequests) {
    throw new TypeError(
      `${host.origin} is plain http: tokens would be readable on the way. Use https, or set allowInsecureRequests.`,
    )
  }
  const environments = options.environments ?? ['production']
  // Untyped callers too: an empty list would let nobody install, a misspelt one the wrong people.
  if (environments.length === 0 || environments.some((name) => name !== 'production' && name !== 'sandbox')) {
    throw new TypeError("environments must name 'production', 'sandbox' or both.")
  }
  const cookieSecret = options.cookieSecret ?? options.clientSecret
  if (cookieSecret === undefined) throw new TypeError('cookieSecret is needed, because there is no client secret.')
  return {
    ...options,
    hostUrl: options.hostUrl.replace(/\/+$/, ''),
    allowInsecureRequests,
    environments,
    cookieSecret,
    // Late, so that a fetch which is replaced after this (instrumentation, tests) is the one that is used.
    fetch: options.fetch ?? ((...input) => fetch(...input)),
    now: options.now ?? (() => new Date()),
  }
}

function parseUrl(name: string, value: string): URL {
  const url = URL.canParse(value) ? new URL(value) : null
  if (url?.protocol === 'https:' || url?.protocol === 'http:') return url
  throw new TypeError(`${name} is not an absolute http(s) address: ${value}`)
}

function isLoopback({ hostname }: URL): boolean {
  return hostname === 'localhost' || hostname.endsWith('.localhost') || /^127\.|^\[::1\]$/.test(hostname)
}
