import type { Operation } from '../http/index.ts'
import { accessOperations } from './access-operations.ts'
import { configurationOperations } from './configuration-operations.ts'
import type { InstallationsContext } from './context.ts'
import { instanceOperations } from './instance-operations.ts'
import { ownerOperations } from './owner-operations.ts'
import { runtimeOperations } from './runtime-operations.ts'

export function installationsOperations(ctx: InstallationsContext): Operation[] {
  return [
    ...instanceOperations(ctx),
    ...accessOperations(ctx),
    ...configurationOperations(ctx),
    ...ownerOperations(ctx),
    ...runtimeOperations(ctx),
  ]
}
