import type { Authenticate } from '../http/index.ts'
import type { InstallationsContext } from '../installations/index.ts'

export interface OAuthContext extends InstallationsContext {
  /** Who a request is from: the pages ask it for the person whose cookie, or whose session at the embedder, they see. */
  authenticate: Authenticate
}
