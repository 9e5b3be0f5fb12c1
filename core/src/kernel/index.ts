export { systemClock, nowIso, isoIn, type Clock } from './clock.ts'
export { StoaError, errorCatalogue, invalidField, type ErrorCode, type InvalidField } from './errors.ts'
export { firstIdAt, newId, idPattern, idMaxLength, withPrefix } from './ids.ts'
export {
  divideMicros,
  maxMicros,
  microsNumber,
  microsText,
  multiplyMicros,
  proportion,
  shareOf,
  sumProducts,
  toMicros,
  type Micros,
} from './money.ts'
export { deriveToken, hashToken, mintToken, tokenKind, tokenKinds } from './opaque-token.ts'
export type {
  Files,
  FundingOutcome,
  FundingPort,
  FundingRequest,
  Identity,
  IdentityPort,
  Logger,
  SecretBox,
  StoredFile,
} from './ports.ts'
export {
  createSchemaCompiler,
  Id,
  Nullable,
  OneOf,
  Strict,
  Time,
  Type,
  type SchemaCompiler,
  type Static,
  type TSchema,
  type Validator,
} from './schema.ts'
export { readTime, shiftTime, utcTime } from './read-time.ts'
export { createSecretBox, derive } from './secret-box.ts'
export { createSigningKeys, type SigningKey, type SigningKeys } from './signing-keys.ts'
export { versionIdOf } from './version-id.ts'
export { createEachByItself, type EachByItself } from './each-by-itself.ts'
export { createPoller, type Poller } from './poller.ts'
