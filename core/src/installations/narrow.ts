import { narrowInstallationTokens } from '../access/index.ts'
import type { Db } from '../database/index.ts'
import { without } from './access-request.ts'
import type { InstallationsContext } from './context.ts'
import type { Installation } from './installation.ts'

/** When a grant became smaller its tokens do too, in the same transaction. */
export async function narrowTo(
  ctx: InstallationsContext,
  db: Db,
  before: Installation,
  after: Installation,
): Promise<void> {
  const lost = without(before.grant, after.grant)
  if (lost.length > 0) await narrowInstallationTokens(ctx, db, after.id, lost)
}
