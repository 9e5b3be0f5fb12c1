import { LockLostError, LockTimeoutError, type Environment, type LockedSession, type Session } from '../tokens/index.ts'
import type { AuthorizationServer, TokenAnswer } from './authorization-server.ts'
import { NotInstalledError } from './not-installed-error.ts'
import type { AppContext } from './options.ts'
import { isDue, isExpired, keyOf, sessionOf, targetOf, type Target } from './session-of.ts'
import { TokenRequestError } from './token-request-error.ts'

/** The tokens of all customers: always live, and gone with the installation. */
export interface Sessions {
  /** A token for a request now. @throws NotInstalledError @throws TokenRequestError */
  live(target: Target): Promise<Session>
  /** Another token than this one, which the host refused. @throws as `live` */
  replace(target: Target, refused: string): Promise<string>
  /** What was granted has changed: the next request carries a token that knows it. */
  renewGranted(target: Target): Promise<void>
  /** Keeps what a code was redeemed for; null when the answer does not say what that is. */
  keepInstalled(answer: TokenAnswer, asked: Environment): Promise<Session | null>
  /** Keeps a token that came without a refresh token, unless there is a better one. */
  keepGiven(target: Target, accessToken: string, from: Date): Promise<void>
  /** Deletes the session of an installation that is gone, and what was exchanged from it. */
  forget(target: Target): Promise<void>
}

/** How long a token that will end soon is used on, after getting another one failed. */
const cooldownMilliseconds = 30_000
/** What the token of an enabled event is good for. */
const givenSeconds = 3_600

export function createSessions(app: AppContext, server: AuthorizationServer): Sessions {
  const { store, clientId, now } = app
  const running = new Map<string, Promise<Session>>()
  const cooling = new Map<string, number>()

  async function live(target: Target): Promise<Session> {
    const key = keyOf(clientId, target)
    const session = await store.get(key)
    if (session && !isDue(session, now())) return session
    if (session && !isExpired(session, now()) && (cooling.get(key) ?? 0) > performance.now()) return session
    return renew(target)
  }

  /** One renewal at a time: in this process by a shared promise, among processes by the store's lock. */
  async function renew(target: Target, refused?: string): Promise<Session> {
    const key = keyOf(clientId, target)
    const joined = running.get(key)
    if (joined) {
      const session = await joined
      if (session.accessToken !== refused) return session
    }
    const started = running.get(key)
    if (started && started !== joined) return started
    const renewal = renewLocked(target, key, refused).finally(() => running.delete(key))
    running.set(key, renewal)
    return renewal
  }

  async function renewLocked(target: Target, key: string, refused?: string): Promise<Session> {
    try {
      return await store.withLock(key, async (locked) => {
        // Read again: whoever had the lock before us may have done it.
        const session = await locked.get()
        if (session && session.accessToken !== refused && !isDue(session, now())) return session
        return renewHolding(target, key, session, locked, refused)
      })
    } catch (error) {
      // Another process went on in our place, because we were too slow, or is slow itself: what is stored counts.
      if (!(error instanceof LockLostError || error instanceof LockTimeoutError)) throw error
      const session = await store.get(key)
      if (session && session.accessToken !== refused && !isExpired(session, now())) return session
      throw error
    }
  }

  async function renewHolding(
    target: Target,
    key: string,
    session: Session | null,
    locked: LockedSession,
    refused?: string,
  ): Promise<Session> {
    const isUsable = session !== null && session.accessToken !== refused && !isExpired(session, now())
    try {
      const renewed = await obtain(target, session)
      await locked.set(renewed)
      cooling.delete(key)
      return renewed
    } catch (error) {
      if (error instanceof NotInstalledError) {
        // A token of the enabled event cannot be renewed; that says nothing against it while it lasts.
        if (isUsable && session.refreshToken === undefined) return session
        if (error.code === 'not_installed') await locked.delete()
      }
      if (!(error instanceof TokenRequestError) || !isUsable) throw error
      cooling.set(key, performance.now() + cooldownMilliseconds)
      return session
    }
  }

  async function obtain(target: Target, session: Session | null): Promise<Session> {
    if (target.userType === 'Application') {
      return sessionOf(target, await server.clientCredentials(target.environment), null, now())
    }
    let cause: unknown
    if (session?.refreshToken !== undefined) {
      try {
        return sessionOf(target, await server.refresh(session.refreshToken), session, now())
      } catch (error) {
        if (isRefusal(error, ['not_active'])) throw new NotInstalledError(target.id, { cause: error, isOff: true })
        if (!isRefusal(error, ['invalid_grant'])) throw error
        cause = error
      }
    }
    const company = target.userType === 'Location' ? await companyOf(target, session) : null
    if (!company) throw new NotInstalledError(target.id, { cause })
    const answer = await exchange(company, target.id)
    return { ...sessionOf(target, answer, null, now()), companyId: company.id, isExchanged: true }
  }

  /** The company's token was fine by the clock, but the host may think otherwise: then once more, with another. */
  async function exchange(company: Target, locationId: string): Promise<TokenAnswer> {
    try {
      const { accessToken } = await live(company)
      try {
        return await server.exchange(accessToken, locationId)
      } catch (error) {
        if (!isRefusal(error, ['invalid_grant', 'invalid_request'])) throw error
        return await server.exchange((await renew(company, accessToken)).accessToken, locationId)
      }
    } catch (cause) {
      const isOff =
        isRefusal(cause, ['not_active']) || (cause instanceof NotInstalledError && cause.code === 'switched_off')
      const isRefused = isRefusal(cause, ['invalid_grant', 'invalid_request', 'invalid_target', 'access_denied'])
      if (isOff || isRefused || cause instanceof NotInstalledError) {
        throw new NotInstalledError(locationId, { cause, isOff })
      }
      throw cause
    }
  }

  /** The organization of a location, if it has installed the app. */
  async function companyOf({ id, environment, companyId }: Target, session: Session | null): Promise<Target | null> {
    const known = companyId ?? session?.companyId
    if (known !== undefined) {
      const company = companyTarget(known, environment)
      return (await store.get(keyOf(clientId, company))) ? company : null
    }
    const companies = await ownSessions({ userType: 'Company', environment })
    const found = companies.find((each) => each.session.approvedLocations?.includes(id))
    return found?.session.companyId === undefined ? null : companyTarget(found.session.companyId, environment)
  }

  async function ownSessions(filter: Parameters<typeof store.list>[0]) {
    return (await store.list(filter)).filter(({ key }) => key.startsWith(`${clientId}:`))
  }

  /**
   * The host is asked before anything is deleted: events can come late, and a notice of the last uninstall that arrives
   * after the next install must not take away the new session. A failure to ask is thrown, so that the event comes again.
   */
  async function isGone(target: Target): Promise<boolean> {
    const key = keyOf(clientId, target)
    return store.withLock(key, async (locked) => {
      const session = await locked.get()
      if (session?.refreshToken !== undefined) {
        try {
          await locked.set(sessionOf(target, await server.refresh(session.refreshToken), session, now()))
          return false
        } catch (error) {
          if (isRefusal(error, ['not_active'])) return false
          if (!isRefusal(error, ['invalid_grant'])) throw error
        }
      }
      await locked.delete()
      return true
    })
  }

  return {
    live,
    replace: async (target, refused) => (await renew(target, refused)).accessToken,

    async renewGranted(target) {
      const session = await store.get(keyOf(clientId, target))
      if (session?.refreshToken === undefined) return
      await renew(target, session.accessToken).catch((error: unknown) => {
        // An event that comes late, of an installation that is gone by now.
        if (!(error instanceof NotInstalledError)) throw error
      })
    },

    async keepInstalled(answer, asked) {
      const target = targetOf(answer, asked)
      if (!target) return null
      const session = sessionOf(target, answer, null, now())
      await store.set(keyOf(clientId, target), session)
      return session
    },

    async keepGiven(target, accessToken, from) {
      const answer = { access_token: accessToken, token_type: 'bearer', expires_in: givenSeconds } as TokenAnswer
      await store.withLock(keyOf(clientId, target), async (locked) => {
        if ((await locked.get())?.refreshToken !== undefined) return
        const { companyId } = target
        await locked.set({ ...sessionOf(target, answer, null, from), ...(companyId !== undefined && { companyId }) })
      })
    },

    async forget(target) {
      if (!(await isGone(target)) || target.userType !== 'Company') return
      const { id: companyId, environment } = target
      for (const { key, session } of await ownSessions({ userType: 'Location', companyId, environment })) {
        // One that was installed by itself may be there still.
        if (session.isExchanged) await store.delete(key)
        else if (session.locationId) await isGone(locationTarget(session.locationId, environment, companyId))
      }
    },
  }
}

export function locationTarget(id: string, environment: Environment = 'production', companyId?: string): Target {
  return { userType: 'Location', id, environment, ...(companyId !== undefined && { companyId }) }
}

export function companyTarget(id: string, environment: Environment = 'production'): Target {
  return { userType: 'Company', id, environment }
}

/** The host said no to this very grant, which is more than that it could not say yes. */
function isRefusal(error: unknown, codes: readonly string[]): boolean {
  return error instanceof TokenRequestError && codes.includes(error.code)
}
