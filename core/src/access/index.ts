export { createApiKey, revokeApiKey, revokeApiKeysOf, saveApiKey, type NewApiKey } from './api-keys.ts'
export { createAuthenticate } from './authenticate.ts'
export { createCatalogue, type Catalogue } from './catalogue.ts'
export type { AccessContext } from './context.ts'
export {
  mintInstallationToken,
  narrowInstallationTokens,
  revokeApplicationTokens,
  revokeInstallationFamilies,
  revokeInstallationTokens,
  revokeTokensOfSecret,
} from './installation-tokens.ts'
export { accessOperations, ApiKeyShape, apiKeyShape, CreateApiKeyBody, CreatedApiKeyShape } from './operations.ts'
export { platformPermissions } from './platform-permissions.ts'
export { createCredentialSweeper, type Sweeps } from './sweep-credentials.ts'
export { decodeJwt } from './decode-jwt.ts'
export { dpopAlgorithms, verifyDpopProof } from './dpop.ts'
export { isSeenFirst } from './seen-ids.ts'
export { endFamilies, familyOfRefreshToken, mintAccessToken, openFamily, rotateRefreshToken } from './token-families.ts'
export { findFamily, findRefreshToken, type TokenFamily } from './token-family-store.ts'
export {
  findApplicationToken,
  listApiKeys,
  markApplicationTokenRevoked,
  type ApiKey,
  type ApplicationToken,
} from './store.ts'
