export { createApiKey, revokeApiKey, revokeApiKeysOf, saveApiKey, type NewApiKey } from './api-keys.ts'
export { createAuthenticate } from './authenticate.ts'
export { createCatalogue, type Catalogue } from './catalogue.ts'
export type { AccessContext } from './context.ts'
export {
  mintInstallationToken,
  revokeApplicationTokens,
  revokeInstallationTokens,
  revokeTokensOfSecret,
} from './installation-tokens.ts'
export { accessOperations, ApiKeyShape, apiKeyShape, CreateApiKeyBody, CreatedApiKeyShape } from './operations.ts'
export { platformPermissions } from './platform-permissions.ts'
export { createCredentialSweeper } from './sweep-credentials.ts'
export { listApiKeys, type ApiKey } from './store.ts'
