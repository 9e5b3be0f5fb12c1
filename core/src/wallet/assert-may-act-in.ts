import type { Environment } from '../context.ts'
import type { Caller } from '../http/index.ts'
import { StoaError } from '../kernel/index.ts'

/** Throws `rights_exceeded` when it is production and the credential is of the sandbox. */
export function assertMayActIn(caller: Pick<Caller, 'environment'>, environment: Environment): void {
  if (environment === 'production' && caller.environment === 'sandbox') {
    throw new StoaError('rights_exceeded', { message: 'A sandbox credential cannot act in production.' })
  }
}
