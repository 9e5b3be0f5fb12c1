import type { Session } from '../tokens/index.ts'

/** Where the app is installed, and what it may do there. The tokens are in the store; clients use them. */
export type Installation = Omit<
  Session,
  'accessToken' | 'refreshToken' | 'obtainedTime' | 'expiresTime' | 'isExchanged'
>

export function installationOf(session: Session): Installation {
  const { accessToken: _a, refreshToken: _r, obtainedTime: _o, expiresTime: _e, isExchanged: _x, ...rest } = session
  return rest
}
