import type { Operation } from '../http/index.ts'
import type { ApplicationsContext } from './context.ts'
import { developerOperations } from './developer-operations.ts'
import { fileOperations } from './file-operations.ts'
import { storeOperations } from './store-operations.ts'
import { versionOperations } from './version-operations.ts'

export function applicationsOperations(ctx: ApplicationsContext): Operation[] {
  return [...storeOperations(ctx), ...developerOperations(ctx), ...versionOperations(ctx), ...fileOperations(ctx)]
}
