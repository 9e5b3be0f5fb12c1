import type { AccountsContext } from '../accounts/index.ts'
import type { IdentityPort } from '../kernel/index.ts'
import type { Catalogue } from './catalogue.ts'

export interface AccessContext extends AccountsContext {
  catalogue: Catalogue
  /** The embedder's sign-in, when they filled that port. */
  identity: IdentityPort | null
}
