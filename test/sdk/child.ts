import { fileTokenStore, sqliteTokenStore, stoaApp, type StoaAppOptions } from '@stoa/sdk'

/** Another process of an app, for sessions.test.ts. */
interface Plan {
  kind: 'file' | 'sqlite'
  path: string
  start: number
  leaseMilliseconds?: number
  options: Omit<StoaAppOptions, 'store'>
}

const [, , task, text = ''] = process.argv
const { kind, path, start, options, ...times } = JSON.parse(text) as Plan
const store = kind === 'file' ? fileTokenStore(path, times) : await sqliteTokenStore(path, times)

if (task === 'hold') {
  await store.withLock('a', async (locked) => {
    await locked.set({
      userType: 'Location',
      accessToken: 'of the holder',
      obtainedTime: new Date().toISOString(),
      expiresTime: new Date().toISOString(),
      scopes: [],
      environment: 'production',
    })
    console.log('held')
    await new Promise((resolve) => setTimeout(resolve, 60_000))
  })
} else {
  const app = stoaApp({ ...options, store, now: () => new Date(Date.now() + 3_550_000) })
  await new Promise((resolve) => setTimeout(resolve, start - Date.now()))
  const answers = await Promise.all(Array.from({ length: 20 }, () => app.for('loc_1').getMe()))
  console.log(answers.length)
}
