import type { Operation } from '../http/index.ts'
import { contextOperations } from './context-token.ts'
import type { OAuthContext } from './context.ts'
import { locationOperations } from './location-operations.ts'
import { metadataOperations } from './metadata.ts'
import { tokenOperations } from './token-operations.ts'

export function oauthOperations(ctx: OAuthContext): Operation[] {
  return [...tokenOperations(ctx), ...locationOperations(ctx), ...metadataOperations(ctx), ...contextOperations(ctx)]
}
