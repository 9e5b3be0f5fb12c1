export { createHost, migrateDatabase, type Host, type HostConfig } from './host.ts'
export { ConfigSchema as configSchema, type Config, type ConfigInput } from './config.ts'
export type { Environment, LifecycleEvents } from './context.ts'
export { DatabaseProblem, prepareSqliteConnection } from './database/index.ts'
export { errorCatalogue, StoaError, type ErrorCode, type InvalidField } from './kernel/index.ts'
export type {
  Clock,
  Files,
  FundingOutcome,
  FundingPort,
  FundingRequest,
  Identity,
  IdentityPort,
  Logger,
  SecretBox,
  StoredFile,
} from './kernel/index.ts'
export type { Caller, Operation, Permission } from './http/index.ts'
export { eventCatalogue, type EmbedderEvent, type Published } from './events/index.ts'
export type { Services } from './services.ts'
export { createStripeFunding, type StripeFundingOptions, type StripePayer } from './wallet/index.ts'
export {
  exportLedger,
  inspectLedger,
  replayLedger,
  type InspectOptions,
  type LedgerReport,
  type Replayed,
} from './wallet/index.ts'
export { inspectDatabase, type DatabaseReport } from './inspect-database.ts'
export { version } from './version.ts'
