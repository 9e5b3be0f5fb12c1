import type { Operation } from '../http/index.ts'
import type { AccountsContext } from './accounts.ts'
import { accountOperations } from './account-operations.ts'
import { memberOperations } from './member-operations.ts'
import { tenantOperations } from './tenant-operations.ts'

/**
 * Not served beside the embedder's own sign-in: who the people are and where they belong is theirs to say then. Signing in to
 * an account of the host's own stays possible, for its operators.
 */
const ofOwnAccounts = new Set(['createOrganization', 'addMember', 'updateMember', 'removeMember'])

export function accountsOperations(ctx: AccountsContext): Operation[] {
  const operations = [...accountOperations(ctx), ...tenantOperations(ctx), ...memberOperations(ctx)]
  return ctx.identity === null ? operations : operations.filter(({ id }) => !ofOwnAccounts.has(id))
}
