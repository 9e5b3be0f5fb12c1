import type { Environment } from '../context.ts'
import { StoaError } from '../kernel/index.ts'

/** A credential belongs to one environment; a header that asks for the other is refused rather than ignored. */
export function assertEnvironment(asked: Environment | null, own: Environment): void {
  if (asked !== null && asked !== own) {
    throw new StoaError('tenant_mismatch', {
      message: `X-Environment asks for ${asked}, but the credential is for ${own}.`,
    })
  }
}
