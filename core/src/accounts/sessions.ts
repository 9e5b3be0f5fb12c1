import { createSecretKey } from 'node:crypto'
import jwt from 'jsonwebtoken'
import type { Context } from '../context.ts'
import { iso, maybeIso, type Db, type Row } from '../database/index.ts'
import { derive, isoIn, newId, nowIso, StoaError } from '../kernel/index.ts'

const audience = 'stoa:session'
const type = 'session+jwt'

export interface Session {
  id: string
  userId: string
  expiresTime: string
}

export interface Sessions {
  /** Opens a session and returns its JWT (HS256), which also needs its row: a signed-out session is dead at once. */
  open(db: Db, userId: string): Promise<{ token: string; session: Session }>
  /** Throws `invalid_token`, `expired_token` or `revoked_token`. */
  verify(db: Db, token: string): Promise<Session>
  close(db: Db, sessionId: string): Promise<void>
}

export function createSessions({ config, clock }: Pick<Context, 'config' | 'clock'>): Sessions {
  // KeyObjects, made once: jsonwebtoken tries to parse any other secret as a PEM key first, 25 times slower.
  const keys = [config.secret, ...config.previousSecrets].map((secret) =>
    createSecretKey(derive(secret, 'stoa-session')),
  )
  return {
    async open(db, userId) {
      const session = { id: newId('ses'), userId, expiresTime: isoIn(clock, config.tokens.sessionSeconds) }
      await db('stoa_sessions').insert({
        id: session.id,
        user_id: userId,
        created_time: nowIso(clock),
        expires_time: session.expiresTime,
        revoked_time: null,
      })
      const claims = { sid: session.id, iat: seconds(clock.now()), exp: seconds(new Date(session.expiresTime)) }
      const token = jwt.sign(claims, keys[0]!, {
        algorithm: 'HS256',
        subject: userId,
        audience,
        issuer: config.baseUrl,
        header: { alg: 'HS256', typ: type },
      })
      return { token, session }
    },
    async verify(db, token) {
      const sessionId = sessionIdOf(token, keys, config.baseUrl, seconds(clock.now()))
      const row = await db('stoa_sessions').where({ id: sessionId }).first<Row | undefined>()
      if (!row) throw new StoaError('invalid_token')
      if (maybeIso(row.revoked_time)) throw new StoaError('revoked_token')
      return { id: sessionId, userId: row.user_id as string, expiresTime: iso(row.expires_time) }
    },
    async close(db, sessionId) {
      await db('stoa_sessions')
        .where({ id: sessionId })
        .update({ revoked_time: nowIso(clock) })
    },
  }
}

/** Whether a text says of itself that it is one of our sessions' tokens, and not, say, the embedder's own JWT. */
export function isSessionToken(token: string): boolean {
  const [header = '', ...rest] = token.split('.')
  if (rest.length !== 2) return false
  try {
    const { typ } = (JSON.parse(Buffer.from(header, 'base64url').toString('utf8')) ?? {}) as { typ?: unknown }
    return typ === type
  } catch {
    return false
  }
}

function sessionIdOf(token: string, keys: ReturnType<typeof createSecretKey>[], issuer: string, now: number): string {
  for (const key of keys) {
    try {
      const { header, payload } = jwt.verify(token, key, {
        algorithms: ['HS256'],
        audience,
        issuer,
        clockTimestamp: now,
        complete: true,
      })
      const { sid } = payload as { sid?: unknown }
      if (header.typ === type && typeof sid === 'string') return sid
    } catch (error) {
      if (error instanceof jwt.TokenExpiredError) throw new StoaError('expired_token')
    }
  }
  throw new StoaError('invalid_token')
}

const seconds = (date: Date) => Math.floor(date.getTime() / 1000)
