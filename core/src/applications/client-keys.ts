import { revokeTokensOfSecret } from '../access/index.ts'
import type { Db } from '../database/index.ts'
import { hashToken } from '../kernel/index.ts'
import type { Application } from './application.ts'
import { isLiveClientSecret } from './client-secrets.ts'
import type { ApplicationsContext } from './context.ts'

/** Names a registered public key, by all that it is: another key under the same `kid` has another name. */
export function clientKeyId(applicationId: string, key: object): string {
  return `${applicationId}/${hashToken(JSON.stringify(key)).slice(0, 32)}`
}

/** Whether what a client authenticated with, a secret or a key by its id, is still its own. */
export async function isLiveCredential(
  ctx: ApplicationsContext,
  db: Db,
  application: Application,
  id: string,
): Promise<boolean> {
  if (!id.startsWith(`${application.id}/`)) return isLiveClientSecret(ctx, db, id)
  return keyIdsOf(application).includes(id)
}

/** Ends the tokens that were got with keys that are no longer registered: whoever takes a key away has a reason. */
export async function endTokensOfRemovedKeys(
  ctx: ApplicationsContext,
  db: Db,
  before: Application,
  after: Application,
): Promise<void> {
  const left = keyIdsOf(after)
  for (const id of keyIdsOf(before)) if (!left.includes(id)) await revokeTokensOfSecret(ctx, db, id)
}

function keyIdsOf({ id, jwks }: Application): string[] {
  return (jwks?.keys ?? []).map((key) => clientKeyId(id, key))
}
