export { fileTokenStore, type FileTokenStoreOptions } from './file-token-store.ts'
export { memoryTokenStore } from './memory-token-store.ts'
export {
  sqliteTokenStore,
  type SqliteDatabase,
  type SqliteTokenStore,
  type SqliteTokenStoreOptions,
} from './sqlite-token-store.ts'
export {
  LockLostError,
  LockTimeoutError,
  type Environment,
  type LockedSession,
  type LockTimes,
  type Session,
  type SessionFilter,
  type StoredSession,
  type TokenStore,
  type UserType,
} from './token-store.ts'
