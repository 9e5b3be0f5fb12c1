import type { AccountsContext } from '../accounts/index.ts'
import type { Catalogue } from './catalogue.ts'

export interface AccessContext extends AccountsContext {
  catalogue: Catalogue
}
