import assert from 'node:assert/strict'
import { LockLostError, LockTimeoutError, type LockTimes, type Session, type TokenStore } from '../tokens/index.ts'

/** One thing a port must do. Run it in any test framework: `for (const { name, run } of cases) test(name, run)`. */
export interface ContractCase {
  name: string
  run(): Promise<void>
}

/**
 * Makes a new, empty store whose locks have these times, and gives a function that connects to it: each call as another
 * process of the app would. A store that lives in one process gives the same object each time.
 */
export type OpenTokenStore = (times: LockTimes) => Promise<() => Promise<TokenStore>>

/** What the SDK relies on in a `TokenStore`. */
export function tokenStoreContract(open: OpenTokenStore): ContractCase[] {
  const openOne = async () => (await open({}))()
  return [
    {
      name: 'what was written comes back, whole, to every connection',
      async run() {
        const connect = await open({})
        const [one, other] = [await connect(), await connect()]
        assert.equal(await one.get('a'), null)
        await one.set('a', full)
        assert.deepEqual(await one.get('a'), full)
        assert.deepEqual(await other.get('a'), full)
      },
    },
    {
      name: 'a session without its optional members comes back without them',
      async run() {
        const store = await openOne()
        await store.set('a', bare)
        assert.deepEqual(await store.get('a'), bare)
      },
    },
    {
      name: 'writing again replaces all of it',
      async run() {
        const store = await openOne()
        await store.set('a', full)
        await store.set('a', bare)
        assert.deepEqual(await store.get('a'), bare)
      },
    },
    {
      name: 'what was deleted is gone and can be written again; deleting nothing is no error',
      async run() {
        const store = await openOne()
        await store.delete('a')
        await store.set('a', full)
        await store.delete('a')
        assert.equal(await store.get('a'), null)
        assert.deepEqual(await store.list({}), [])
        await store.set('a', bare)
        assert.deepEqual(await store.get('a'), bare)
      },
    },
    {
      name: 'keys that resemble each other are different keys',
      async run() {
        const store = await openOne()
        const keys = ['a', 'A', 'a ', 'a/b', 'a%2Fb', '../a', 'ä', 'a:b', 'x'.repeat(400), '__proto__']
        for (const key of keys) await store.set(key, { ...bare, accessToken: `of ${key}` })
        for (const key of keys) assert.equal((await store.get(key))?.accessToken, `of ${key}`)
        assert.deepEqual((await store.list({})).map(({ key }) => key).sort(), [...keys].sort())
      },
    },
    {
      name: 'lists the sessions that have all members of the filter',
      async run() {
        const store = await openOne()
        await store.set('1', { ...bare, userType: 'Company', companyId: 'c1' })
        await store.set('2', { ...bare, userType: 'Location', companyId: 'c1' })
        await store.set('3', { ...bare, userType: 'Company', companyId: 'c2' })
        await store.set('4', { ...bare, userType: 'Location', companyId: 'c1', environment: 'sandbox' })
        const keys = async (filter: Parameters<TokenStore['list']>[0]) =>
          (await store.list(filter)).map(({ key }) => key).sort()
        assert.deepEqual(await keys({}), ['1', '2', '3', '4'])
        assert.deepEqual(await keys({ companyId: 'c1' }), ['1', '2', '4'])
        assert.deepEqual(await keys({ userType: 'Company' }), ['1', '3'])
        assert.deepEqual(await keys({ companyId: 'c1', environment: 'sandbox' }), ['4'])
        assert.deepEqual(await keys({ companyId: 'c3' }), [])
      },
    },
    {
      name: 'a stored session does not change with the object that was given or got',
      async run() {
        const store = await openOne()
        const given = structuredClone(full)
        await store.set('a', given)
        given.scopes.push('more')
        ;(await store.get('a'))!.scopes.push('more')
        assert.deepEqual(await store.get('a'), full)
      },
    },
    {
      name: 'gives the result and the error of the work, and is free after either',
      async run() {
        const store = await openOne()
        assert.equal(await store.withLock('a', async () => 42), 42)
        await assert.rejects(
          store.withLock('a', () => Promise.reject(new Error('of the work'))),
          /of the work/,
        )
        assert.equal(await store.withLock('a', async () => 43), 43)
      },
    },
    {
      name: 'of many who race from several connections, one at a time works, and each sees what the one before wrote',
      async run() {
        const connect = await open({})
        const stores = [await connect(), await connect(), await connect()]
        let inside = 0
        await Promise.all(
          Array.from({ length: 24 }, (_, index) =>
            stores[index % stores.length]!.withLock('a', async (locked) => {
              inside += 1
              assert.equal(inside, 1)
              const before = Number((await locked.get())?.accessToken ?? 0)
              await soon()
              await locked.set({ ...bare, accessToken: String(before + 1) })
              assert.equal(inside, 1)
              inside -= 1
            }),
          ),
        )
        assert.equal((await stores[0]!.get('a'))?.accessToken, '24')
      },
    },
    {
      name: 'locks of different keys do not meet, so one can be taken within another; reading waits for none',
      async run() {
        const connect = await open({ waitMilliseconds: 2_000 })
        const [one, other] = [await connect(), await connect()]
        await one.set('a', full)
        await one.withLock('a', async () => {
          await one.withLock('b', (locked) => locked.set(bare))
          await other.withLock('c', (locked) => locked.set(bare))
          assert.deepEqual(await other.get('a'), full)
        })
        assert.deepEqual(await other.get('b'), bare)
      },
    },
    {
      name: 'who waits too long is told so, and the holder is not disturbed',
      async run() {
        const connect = await open({ waitMilliseconds: 50 })
        const [one, other] = [await connect(), await connect()]
        await one.withLock('a', async (locked) => {
          await assert.rejects(
            other.withLock('a', () => Promise.resolve()),
            LockTimeoutError,
          )
          await locked.set(full)
        })
        assert.deepEqual(await other.get('a'), full)
      },
    },
    {
      name: 'a holder that hangs loses the lock when its lease ends, and what it writes afterwards is refused',
      async run() {
        const connect = await open(short)
        const [one, other] = [await connect(), await connect()]
        const { hung, wake } = await hang(one, async (locked) => {
          await assert.rejects(locked.delete(), LockLostError)
          await locked.set({ ...bare, accessToken: 'too late' })
        })
        await other.withLock('a', async (locked) => {
          await locked.set(full)
          wake()
          await assert.rejects(hung, LockLostError)
          // Its end does not end ours.
          await locked.set({ ...full, accessToken: 'in time' })
        })
        assert.equal((await one.get('a'))?.accessToken, 'in time')
        assert.equal(await one.withLock('a', async () => 'free'), 'free')
      },
    },
    {
      name: 'also when the one who took the lock over has written nothing',
      async run() {
        const connect = await open(short)
        const [one, other] = [await connect(), await connect()]
        await one.set('a', full)
        const { hung, wake } = await hang(one, (locked) => locked.set({ ...bare, accessToken: 'too late' }))
        await other.withLock('a', async () => {
          wake()
          await assert.rejects(hung, LockLostError)
        })
        assert.deepEqual(await other.get('a'), full)
      },
    },
  ]
}

const bare: Session = {
  userType: 'Location',
  accessToken: 'stoa_at_1',
  obtainedTime: '2026-11-21T10:00:00.000Z',
  expiresTime: '2026-11-21T11:00:00.000Z',
  scopes: [],
  environment: 'production',
}

const full: Session = {
  ...bare,
  userType: 'Company',
  refreshToken: 'stoa_rt_1',
  scopes: ['charges.write', 'ünïcode ☃'],
  environment: 'sandbox',
  companyId: 'org_1',
  locationId: 'loc_1',
  userId: 'usr_1',
  approvedLocations: ['loc_1', 'loc_2'],
  isExchanged: true,
}

const short: LockTimes = { leaseMilliseconds: 100, waitMilliseconds: 5_000 }

/** Takes the lock of `a` and does nothing until it is woken. */
async function hang(store: TokenStore, work: Parameters<TokenStore['withLock']>[1]) {
  let wake = () => {}
  const asleep = new Promise<void>((resolve) => (wake = resolve))
  let started = () => {}
  const holding = new Promise<void>((resolve) => (started = resolve))
  const hung = store.withLock('a', async (locked) => {
    started()
    await asleep
    await work(locked)
  })
  await holding
  return { hung, wake: () => wake() }
}

const soon = () => new Promise((resolve) => setTimeout(resolve, 1))
