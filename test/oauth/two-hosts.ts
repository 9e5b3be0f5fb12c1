import { createHost, type HostConfig } from '@stoa/core'
import { listenOn } from '@stoa/core/testing'
import { onTestFinished } from 'vitest'
import type { OpenedDatabase, TestDatabase } from '../support/databases.ts'

export const hostSecret = 'a secret that only tests know, 32+'

/** A database that several hosts are opened on: give `database` to the first, and `url` to the others. */
export async function sharedDatabase(database: TestDatabase): Promise<{ database: TestDatabase; url: string }> {
  const opened: OpenedDatabase = await database.create()
  return { url: opened.url, database: { ...database, create: () => Promise.resolve(opened) } }
}

/** Another process's host, as far as it can be one in this process: it shares nothing but the database. */
export async function anotherHost(options: Partial<HostConfig> & Pick<HostConfig, 'database' | 'baseUrl'>) {
  const host = await createHost({ secret: hostSecret, mode: 'test', ...options })
  const { url, close } = await listenOn(host)
  onTestFinished(async () => {
    await close()
    await host.stop()
  })
  return { url }
}
