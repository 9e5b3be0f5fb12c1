import { LRUCache } from 'lru-cache'
import { findOrganization, listMemberships, replaceMemberships, saveUser } from '../accounts/index.ts'
import { afterCommit, inTransaction, isUniqueViolation, type Db } from '../database/index.ts'
import { nowIso, StoaError, type Identity } from '../kernel/index.ts'
import type { AccessContext } from './context.ts'

/**
 * Keeps what the embedder's sign-in says of a person in the host's own tables, so that keys they make keep their rights, and
 * history can name them, when they are not signed in. Writes only when something changed.
 */
export function createIdentityMirror(ctx: AccessContext): (identity: Identity) => Promise<Identity> {
  const seen = new LRUCache<string, string>({ max: 20_000 })
  return async (identity) => {
    const fingerprint = JSON.stringify(identity)
    if (seen.get(identity.userId) === fingerprint) return identity
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
    if (JSON.stringify(identity) === fingerprint) seen.set(identity.userId, fingerprint)
    return identity
  }
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
