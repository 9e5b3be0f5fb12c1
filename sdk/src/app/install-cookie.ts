import { createHash } from 'node:crypto'
import { createSealer } from '../tokens/seal-session.ts'
import type { Environment } from '../tokens/index.ts'
import type { AppContext } from './options.ts'

/** An installation that was started and has not come back yet. */
export interface PendingInstall {
  state: string
  /** PKCE (RFC 7636). */
  verifier: string
  environment: Environment
}

export interface InstallCookie {
  /** The `Set-Cookie` that adds an installation to those that the browser has under way. */
  add(cookieHeader: string | undefined, pending: PendingInstall): string
  /** The installation of this state, if this browser started it, and the `Set-Cookie` without it. */
  take(
    cookieHeader: string | undefined,
    state: string | null,
  ): { pending: PendingInstall; setCookie: string } | undefined
}

const lifeSeconds = 600
const maxPending = 4

/**
 * State and verifier live in the browser that started the installation, sealed (AES-256-GCM): the answer counts only
 * there, so that nobody can make somebody else's browser finish an installation they began (login CSRF), and nobody
 * reads or makes a verifier. The server keeps nothing: there is nothing for anonymous requests to fill, nothing to
 * clear away, and any process can answer the callback. A few can be under way at once, for people with several tabs.
 *
 * SameSite=Lax, because the callback is a navigation that comes from the host's site.
 */
export function createInstallCookie({ clientId, redirectUri, cookieSecret, now }: AppContext): InstallCookie {
  const sealer = createSealer(cookieSecret, 'install cookie')
  const isSecure = redirectUri.startsWith('https:')
  // Cookies do not tell ports apart, and authors have several apps on localhost.
  const suffix = createHash('sha256').update(clientId).digest('hex').slice(0, 8)
  const name = `${isSecure ? '__Host-' : ''}stoa-install-${suffix}`
  const context = `${clientId} ${redirectUri}`

  type Entry = PendingInstall & { until: number }

  function read(header: string | undefined): Entry[] {
    const values = (header ?? '').split(';').map((part) => part.trim())
    const value = values.find((part) => part.startsWith(`${name}=`))?.slice(name.length + 1)
    const opened = value ? sealer.open(value, context) : null
    const entries = opened === null ? [] : (JSON.parse(opened) as Entry[])
    return entries.filter(({ until }) => until > now().getTime())
  }

  function write(entries: Entry[]): string {
    const value = entries.length > 0 ? sealer.seal(JSON.stringify(entries), context) : ''
    const age = entries.length > 0 ? lifeSeconds : 0
    return `${name}=${value}; Max-Age=${age}; Path=/; HttpOnly; SameSite=Lax${isSecure ? '; Secure' : ''}`
  }

  return {
    add(header, pending) {
      const until = now().getTime() + lifeSeconds * 1_000
      return write([...read(header), { ...pending, until }].slice(-maxPending))
    },
    take(header, state) {
      const entries = read(header)
      const found = entries.find((entry) => entry.state === state)
      if (!found) return undefined
      return { pending: found, setCookie: write(entries.filter((entry) => entry !== found)) }
    },
  }
}
