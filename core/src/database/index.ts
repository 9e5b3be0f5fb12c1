export { claimDue } from './claim.ts'
export { boolean, integer, iso, json, maybeIso, maybeJson, maybeText, money, text, toJson, type Row } from './codecs.ts'
export {
  CollectionParameters,
  fetchCollection,
  parseCollection,
  parseExpand,
  pickFields,
  type CollectionQuery,
  type CollectionSpec,
  type CollectionText,
} from './collection.ts'
export { deleteInBatches } from './delete-in-batches.ts'
export { type Dialect } from './dialect.ts'
export { hideRowValues, isDatabaseUnavailable, isUniqueViolation } from './faults.ts'
export { foldText } from './filter-language.ts'
export { createGroupCommit, type GroupCommit } from './group-commit.ts'
export { insertRows } from './insert-rows.ts'
export { migrate, pendingMigrations, type Migration } from './migrate.ts'
export { migrations } from './migrations/index.ts'
export { DatabaseProblem, openDatabase, type Database, type Db } from './open.ts'
export { readSnapshot } from './read-snapshot.ts'
export { prepareSqliteConnection } from './prepare-sqlite-connection.ts'
export { whereContains } from './where-contains.ts'
export { updateRows, type RowChange } from './update-rows.ts'
export { afterCommit, inSavepoint, inTransaction } from './transaction.ts'
export { createNotifications, type Notifications } from './notifications.ts'
export { lockedInOrder } from './locked-in-order.ts'
