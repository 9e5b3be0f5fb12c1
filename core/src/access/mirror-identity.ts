import { LRUCache } from 'lru-cache'
import { findOrganization, findUser, listMemberships, replaceMemberships, saveUser } from '../accounts/index.ts'
import { afterCommit, inTransaction, isUniqueViolation, type Db } from '../database/index.ts'
import { nowIso, StoaError, type Identity } from '../kernel/index.ts'
import type { AccessContext } from './context.ts'

/**
 * Keeps what the embedder's sign-in says of a person in the host's own tables, so that keys they make keep their rights, and
 * history can name them, when they are not signed in. Looks again when `config.tokens.cacheMilliseconds` have passed, because
 * another host may have been told something else meanwhile, and writes only when something changed.
 */
export function createIdentityMirror(ctx: AccessContext): (identity: Identity) => Promise<Identity> {
  const seen = new LRUCache<string, { fingerprint: string; until: number }>({ max: 20_000 })
  return async (identity) => {
    const fingerprint = JSON.stringify(identity)
    const now = ctx.clock.now().getTime()
    const known = seen.get(identity.userId)
    if (known?.fingerprint === fingerprint && known.until > now) return identity
    if (await isMirrored(ctx.db, identity)) {
      seen.set(identity.userId, { fingerprint, until: now + ctx.config.tokens.cacheMilliseconds })
      return identity
    }
    await inTransaction(ctx.db, async (trx) => {
      await savePerson(trx, identity, nowIso(ctx.clock))
      const known = []
      for (const membership of identity.memberships) {
        if (await findOrganization(trx, membership.organizationId)) known.push(membership)
        else
          ctx.logger.warn(
            { organizationId: membership.organizationId },
            'the identity port named an unknown organization',
          )
      }
      const before = await listMemberships(trx, identity.userId)
      await replaceMemberships(trx, identity.userId, known, nowIso(ctx.clock))
      // Keys that this person made may now do less.
      if (rolesIn(before) !== rolesIn(known)) afterCommit(trx, () => ctx.signals.emit('credentials-changed'))
      identity = { ...identity, memberships: known }
    })
    // An organization that was missing may be created later, so only a complete answer is remembered.
    if (JSON.stringify(identity) === fingerprint) {
      seen.set(identity.userId, { fingerprint, until: now + ctx.config.tokens.cacheMilliseconds })
    }
    return identity
  }
}

async function isMirrored(db: Db, identity: Identity): Promise<boolean> {
  const user = await findUser(db, identity.userId)
  if (user?.email !== identity.email.trim().toLowerCase() || user.name !== identity.name) return false
  return rolesIn(await listMemberships(db, identity.userId)) === rolesIn(identity.memberships)
}

function rolesIn(memberships: Identity['memberships']): string {
  return memberships
    .map(({ organizationId, role }) => `${organizationId} ${role}`)
    .sort()
    .join()
}

async function savePerson(db: Db, { userId, email, name }: Identity, now: string): Promise<void> {
  try {
    await saveUser(db, { id: userId, email, name }, now)
  } catch (cause) {
    if (!isUniqueViolation(cause)) throw cause
    throw new StoaError('email_taken', {
      message: `The account ${userId} has the e-mail address of another account of this host; create people under one id.`,
      cause,
    })
  }
}
