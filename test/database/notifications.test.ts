import { expect, it, onTestFinished } from 'vitest'
import { createNotifications, openDatabase, type Notifications } from '../../core/src/database/index.ts'
import { eachDatabase, onPostgres } from '../support/databases.ts'

async function openNotifications(url: string) {
  const database = await openDatabase(url)
  const complaints: string[] = []
  const notifications = createNotifications(database.knex, database.dialect, (_error, text) => complaints.push(text))
  const heard: string[] = []
  onTestFinished(async () => {
    await notifications.stop()
    await database.close()
  })
  return { database, notifications, heard, complaints }
}

const until = async (isSo: () => boolean) => {
  while (!isSo()) await new Promise((resolve) => setTimeout(resolve, 10))
}

/** A hint may be lost while the connection is not there yet, so it is given until it is heard. */
async function untilHeard(notifications: Notifications, topic: string, heard: string[]): Promise<void> {
  const before = heard.length
  while (heard.length === before) {
    notifications.notify(topic)
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}

onPostgres((database) => {
  it('lets another process hear what is told, and not the one that tells', async () => {
    const { url } = await database.create()
    const one = await openNotifications(url)
    const two = await openNotifications(url)
    one.notifications.listen((topic) => one.heard.push(topic))
    two.notifications.listen((topic) => two.heard.push(topic))
    await untilHeard(one.notifications, 'work', two.heard)
    await untilHeard(two.notifications, 'other-work', one.heard)
    expect(new Set(two.heard)).toEqual(new Set(['work']))
    expect(new Set(one.heard)).toEqual(new Set(['other-work']))
  })

  it('tells once what is said many times at once', async () => {
    const { url } = await database.create()
    const one = await openNotifications(url)
    const two = await openNotifications(url)
    two.notifications.listen((topic) => two.heard.push(topic))
    await untilHeard(one.notifications, 'ready', two.heard)
    await new Promise((resolve) => setTimeout(resolve, 200))
    two.heard.length = 0
    for (let n = 0; n < 100; n++) one.notifications.notify(n % 2 ? 'odd' : 'even')
    await until(() => two.heard.length === 2)
    expect(two.heard.sort()).toEqual(['even', 'odd'])
  })

  it('listens again after its connection was cut', async () => {
    const { url } = await database.create()
    const one = await openNotifications(url)
    const two = await openNotifications(url)
    two.notifications.listen((topic) => two.heard.push(topic))
    await untilHeard(one.notifications, 'before', two.heard)
    await one.database.knex.raw(
      `select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and query like 'listen%'`,
    )
    await untilHeard(one.notifications, 'after', two.heard)
    expect(two.heard).toContain('after')
  })
})

eachDatabase((database) => {
  it('ends while it listens and while it has something to tell', async () => {
    const { url } = await database.create()
    const { notifications } = await openNotifications(url)
    notifications.listen(() => undefined)
    notifications.notify('last words')
    await notifications.stop()
  })
})
