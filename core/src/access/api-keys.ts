import type { Environment } from '../context.ts'
import { afterCommit, type Db } from '../database/index.ts'
import { findMembership } from '../accounts/index.ts'
import type { Caller, Role } from '../http/index.ts'
import { hashToken, invalidField, mintToken, newId, nowIso, StoaError, utcTime } from '../kernel/index.ts'
import type { AccessContext } from './context.ts'
import {
  findApiKey,
  findKeyById,
  insertApiKey,
  markApiKeyRevoked,
  markApiKeysRevoked,
  type ApiKey,
  type ApiKeyOwner,
} from './store.ts'

export interface NewApiKey {
  name: string
  /** Names, aliases, `resource:*` or `*`. */
  permissions: string[]
  environment: Environment
  expiresTime: string | null
  /** Set for a key that may act for one application only. */
  applicationId: string | null
}

/** Makes an API key for the caller's organization. The secret is in this answer and nowhere else. */
export async function createApiKey(
  ctx: AccessContext,
  db: Db,
  caller: Caller,
  input: NewApiKey,
): Promise<{ key: ApiKey; secret: string }> {
  const role =
    caller.userId === null ? null : ((await findMembership(db, caller.organizationId, caller.userId))?.role ?? null)
  assertGrantable(ctx, input.permissions, caller.permissions, role)
  if (caller.kind !== 'user' && input.environment !== caller.environment) {
    throw new StoaError('rights_exceeded', {
      message: `A key for ${caller.environment} cannot make one for ${input.environment}.`,
    })
  }
  // A key's keys end with it at the latest: a leaked one cannot outlive its own end.
  const parent = caller.kind === 'api-key' ? await findKeyById(db, caller.credentialId) : null
  const ends = [input.expiresTime && utcTime('expiresTime', input.expiresTime), parent?.expiresTime].filter(
    (time) => typeof time === 'string',
  )
  return saveApiKey(ctx, db, {
    ...input,
    expiresTime: ends.sort()[0] ?? null,
    organizationId: caller.organizationId,
    createdBy: caller.userId,
    parentId: parent?.id ?? null,
  })
}

/** Makes an API key without a caller, for the command line and for seeding. Throws `unknown_permission`. */
export async function saveApiKey(
  ctx: AccessContext,
  db: Db,
  input: NewApiKey & { organizationId: string; createdBy: string | null; parentId?: string | null },
): Promise<{ key: ApiKey; secret: string }> {
  assertKnown(ctx, input.permissions)
  const expiresTime = input.expiresTime === null ? null : utcTime('expiresTime', input.expiresTime)
  if (expiresTime !== null && expiresTime <= nowIso(ctx.clock))
    throw invalidField('expiresTime', 'must lie in the future')
  const secret = mintToken('ak')
  const key: ApiKey = {
    id: newId('key'),
    organizationId: input.organizationId,
    applicationId: input.applicationId,
    createdBy: input.createdBy,
    parentId: input.parentId ?? null,
    name: input.name,
    lastFour: secret.slice(-4),
    permissions: input.permissions,
    environment: input.environment,
    createdTime: nowIso(ctx.clock),
    expiresTime,
    revokedTime: null,
    lastUsedTime: null,
  }
  await insertApiKey(db, key, hashToken(secret))
  return { key, secret }
}

/** Ends a key for good. Ending it twice is no error. */
export async function revokeApiKey(
  ctx: AccessContext,
  db: Db,
  { id, ...owner }: ApiKeyOwner & { id: string },
): Promise<ApiKey> {
  const key = await findApiKey(db, id, owner)
  if (!key) throw new StoaError('not_found')
  await markApiKeyRevoked(db, id, nowIso(ctx.clock))
  afterCommit(db, () => ctx.signals.emit('credentials-changed'))
  return (await findApiKey(db, id, owner))!
}

/** Ends every key of an application, or those of an organization that belong to none. */
export async function revokeApiKeysOf(ctx: AccessContext, db: Db, owner: ApiKeyOwner): Promise<void> {
  await markApiKeysRevoked(db, owner, nowIso(ctx.clock))
  afterCommit(db, () => ctx.signals.emit('credentials-changed'))
}

function assertKnown(ctx: AccessContext, names: string[]): void {
  const { unknown } = ctx.catalogue.resolve(names)
  if (unknown.length === 0) return
  throw new StoaError('unknown_permission', {
    message: `Unknown permission ${unknown.join(', ')}; GET /permissions lists those this host knows.`,
    invalidFields: unknown.map((name) => ({
      field: `permissions.${names.indexOf(name)}`,
      message: `${name} is not known`,
    })),
  })
}

// A key may not be wider than its maker: neither by a name the maker lacks, nor by a wildcard that would cover more.
function assertGrantable(ctx: AccessContext, names: string[], own: ReadonlySet<string>, role: Role | null): void {
  assertKnown(ctx, names)
  const ofRole = role === null ? new Set<string>() : ctx.catalogue.ofRole(role)
  const excess = names.flatMap((name) => {
    const covered = ctx.catalogue.resolve([name]).names
    return (name.endsWith('*') ? covered.filter((each) => ofRole.has(each)) : covered).filter((each) => !own.has(each))
  })
  if (excess.length > 0) {
    throw new StoaError('rights_exceeded', {
      message: `You cannot grant ${[...new Set(excess)].slice(0, 5).join(', ')}: you lack it yourself.`,
    })
  }
}
