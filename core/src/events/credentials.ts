import { lockOrganization } from '../accounts/index.ts'
import type { Db } from '../database/index.ts'
import type { Caller } from '../http/index.ts'
import { invalidField, newId, nowIso, StoaError } from '../kernel/index.ts'
import { countCredentials, findCredential, findLike, insertCredential, updateCredential } from './credential-store.ts'
import { credentialContext, isForHost, type Credential, type CredentialType } from './credential.ts'
import { scopeOf } from './endpoint-scope.ts'
import { findUsers } from './endpoint-store.ts'
import type { Endpoint } from './endpoint.ts'
import type { EventsContext } from './events-context.ts'
import { laterThan } from './later-than.ts'

/** Of one organization in one environment. */
const mostCredentials = 100

export interface GivenAuth {
  type: CredentialType
  username?: string | undefined
  password?: string | undefined
}

/** Makes one, or finds the very same one: then `created` is false. */
export async function createCredential(
  ctx: EventsContext,
  db: Db,
  caller: Caller,
  body: { host: string; auth: GivenAuth; status?: Credential['status'] | undefined },
): Promise<{ credential: Credential; created: boolean }> {
  const scope = scopeOf(caller)
  const host = readHost(body.host)
  const { type, username, password } = readAuth(body.auth)
  // One after the other, so that the same request sent twice at once makes one.
  await lockOrganization(db, ctx.dialect, caller.organizationId)
  for (const like of await findLike(db, scope, { host, type, username })) {
    if ((await openPassword(ctx, like)) === password) return { credential: like, created: false }
  }
  if ((await countCredentials(db, scope)) >= mostCredentials) {
    throw new StoaError('limit_reached', { message: `There can be at most ${mostCredentials} credentials.` })
  }
  const now = nowIso(ctx.clock)
  const id = newId('cred')
  const credential: Credential = {
    id,
    organizationId: scope.organizationId,
    applicationId: scope.applicationId,
    installationId: scope.installationId,
    environment: scope.environment,
    host,
    type,
    username,
    password: await sealPassword(ctx, id, password),
    status: body.status ?? 'active',
    createdTime: now,
    updatedTime: now,
  }
  await insertCredential(db, credential)
  return { credential, created: true }
}

export async function ownedCredential(db: Db, caller: Caller, id: string): Promise<Credential> {
  const credential = await findCredential(db, scopeOf(caller), id)
  if (!credential) throw new StoaError('not_found')
  return credential
}

/**
 * Its host cannot change, nor can it be turned off, while an endpoint uses it: that would have to send unauthenticated, or to
 * show a password to somebody it was not meant for.
 */
export async function changeCredential(
  ctx: EventsContext,
  db: Db,
  caller: Caller,
  id: string,
  body: { host?: string | undefined; auth?: GivenAuth | undefined; status?: Credential['status'] | undefined },
): Promise<Credential> {
  const before = await findCredential(db, scopeOf(caller), id, { dialect: ctx.dialect, mode: 'update' })
  if (!before) throw new StoaError('not_found')
  assertMaker(caller, before)
  const host = body.host === undefined ? before.host : readHost(body.host)
  const status = body.status ?? before.status
  const users = await findUsers(db, id)
  if (host !== before.host && users.length > 0) throw inUse('An endpoint uses this credential; its host stays.')
  if (status === 'inactive' && before.status === 'active' && users.some((each) => each.status === 'ACTIVE')) {
    throw inUse('An active endpoint uses this credential; disable that first, or give it another.')
  }
  const auth = body.auth && readAuth(body.auth)
  const changed: Credential = {
    ...before,
    host,
    status,
    ...(auth && {
      type: auth.type,
      username: auth.username,
      password: await sealPassword(ctx, id, auth.password),
    }),
    updatedTime: laterThan(before.updatedTime, ctx.clock),
  }
  await updateCredential(db, changed)
  return changed
}

/** Refuses a credential that the endpoint may not be given: another’s, one that is off, one for another host. */
export async function assertUsable(
  ctx: EventsContext,
  db: Db,
  caller: Caller,
  endpoint: Pick<Endpoint, 'credentialId' | 'url' | 'installationId'>,
): Promise<void> {
  const { credentialId, url, installationId } = endpoint
  if (credentialId === null) return
  const credential = await findCredential(db, scopeOf(caller), credentialId, { dialect: ctx.dialect, mode: 'share' })
  if (!credential || credential.installationId !== installationId || credential.status !== 'active') {
    throw invalidField('credentialId', 'is not the id of one of your active credentials')
  }
  if (!isForHost(credential, url)) {
    throw invalidField('credentialId', `is for the host ${credential.host}, and the url is for another`)
  }
}

/** What an installed application made is its own; the organization sees it, and can do without it. */
export function assertMaker(caller: Caller, made: { installationId: string | null }): void {
  if (made.installationId === scopeOf(caller).installationId) return
  throw new StoaError('caller_not_allowed', {
    message:
      'An installed application made this. It can be disabled and deleted here, and changed by the application alone.',
  })
}

/** A host name with or without a port, or any URL of it. */
function readHost(given: string): string {
  const text = /^https?:\/\//i.test(given) ? given : `https://${given}`
  const url = URL.canParse(text) ? new URL(text) : null
  if (!url || url.username || url.password || url.hostname === '') {
    throw invalidField('host', 'must be a host name such as example.com, with or without a port')
  }
  return url.host
}

function readAuth({ type, username, password }: GivenAuth) {
  if (type === 'none') return { type, username: null, password: null }
  if (username === undefined || password === undefined) {
    throw invalidField(username === undefined ? 'auth.username' : 'auth.password', 'is required')
  }
  // RFC 7617: everything after the first colon is the password.
  if (username.includes(':')) throw invalidField('auth.username', 'must not contain a colon')
  return { type, username, password }
}

async function sealPassword({ secretBox }: EventsContext, id: string, password: string | null): Promise<string | null> {
  return password === null ? null : secretBox.seal(password, credentialContext(id))
}

async function openPassword({ secretBox }: EventsContext, { id, password }: Credential): Promise<string | null> {
  return password === null ? null : secretBox.open(password, credentialContext(id))
}

const inUse = (message: string) => new StoaError('in_use', { message })
