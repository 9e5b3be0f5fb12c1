import type { Migration } from '../migrate.ts'
import { accountsMigration } from './0001-accounts.ts'
import { accessMigration } from './0002-access.ts'
import { eventsMigration } from './0003-events.ts'
import { applicationsMigration } from './0004-applications.ts'
import { installationsMigration } from './0005-installations.ts'
import { walletMigration } from './0006-wallet.ts'
import { oauthMigration } from './0007-oauth.ts'
import { billingMigration } from './0008-billing.ts'

/** In the order they are applied. Append only: a released migration never changes. */
export const migrations: Migration[] = [
  accountsMigration,
  accessMigration,
  eventsMigration,
  applicationsMigration,
  installationsMigration,
  walletMigration,
  oauthMigration,
  billingMigration,
]
