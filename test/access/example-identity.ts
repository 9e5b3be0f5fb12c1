import jwt from 'jsonwebtoken'
import type { Identity, IdentityPort } from '@stoa/core'

/** What an embedder's sign-in may look like: a cookie for people with a browser, and a JWT of their own for their mobile app. */
export function createExampleIdentity() {
  const people = new Map<string, Identity>()
  const key = 'the key of the embedder’s own tokens'
  let asked = 0

  const port: IdentityPort = {
    identify(headers) {
      asked++
      const cookie = /(?:^|; )session=([^;]*)/.exec(single(headers.cookie) ?? '')?.[1]
      const bearer = /^Bearer (.+)$/.exec(single(headers.authorization) ?? '')?.[1]
      return Promise.resolve(people.get(cookie ?? subjectOf(bearer) ?? '') ?? null)
    },
  }

  function subjectOf(token: string | undefined): string | undefined {
    if (token?.startsWith('opaque-')) return token.slice('opaque-'.length)
    try {
      return token === undefined ? undefined : jwt.verify(token, key).sub?.toString()
    } catch {
      return undefined
    }
  }

  return {
    port,
    /** Signs somebody in, or changes who they are. */
    save: (session: string, identity: Identity) => void people.set(session, identity),
    signOut: (session: string) => void people.delete(session),
    cookie: (session: string) => ({ Cookie: `theme=dark; session=${session}` }),
    jwt: (session: string) => ({ Authorization: `Bearer ${jwt.sign({}, key, { subject: session })}` }),
    opaque: (session: string) => ({ Authorization: `Bearer opaque-${session}` }),
    get asked() {
      return asked
    },
  }
}

function single(value: string | string[] | undefined): string | undefined {
  return Array.isArray(value) ? value[0] : value
}
