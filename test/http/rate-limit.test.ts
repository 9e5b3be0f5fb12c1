import { beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { defineOperation, permission, type Authenticate, type Caller } from '../../core/src/http/index.ts'
import { StoaError, Type } from '../../core/src/kernel/index.ts'
import { mountOwn, send } from './support.ts'

const see = permission('things:show', 'see things')
const operation = defineOperation({
  id: 'getThing',
  method: 'GET',
  path: '/thing',
  surface: 'store',
  tag: 'Test',
  summary: 'See the thing',
  permission: see,
  callers: ['user', 'api-key', 'application'],
  responses: { 200: Type.Object({}) },
  handler: () => Promise.resolve({}),
})

const person: Caller = {
  kind: 'api-key',
  credentialId: '',
  userId: null,
  organizationId: 'org_1',
  locationId: null,
  environment: 'production',
  permissions: new Set([see.name]),
  onlyApplicationId: null,
  application: null,
}
/** The credential is the caller's id; `app:3` is an application that may send three requests a second. */
const authenticate: Authenticate = ({ headers }) => {
  const credentialId = String(headers['x-api-key'])
  if (credentialId === 'nobody') return Promise.reject(new StoaError('invalid_token'))
  if (credentialId === 'without') return Promise.resolve({ ...person, credentialId, permissions: new Set() })
  const limit = /^app:(\d+)/.exec(credentialId)?.[1]
  if (limit === undefined) return Promise.resolve({ ...person, credentialId })
  const application = { applicationId: 'app_1', installationId: credentialId, rateLimit: Number(limit) }
  return Promise.resolve({ ...person, kind: 'application', credentialId, application })
}

describe('a credential', () => {
  let time = Date.parse('2026-03-01T12:00:00.000Z')
  let url: string
  beforeAll(async () => {
    const clock = { now: () => new Date(time) }
    const config = { rateLimit: { requests: 5, windowSeconds: 10 } }
    url = (await mountOwn([operation], { authenticate, clock, config })).url
  })
  beforeEach(() => {
    time += 3_600_000
  })
  const get = (key: string) => send(url, { path: '/thing', headers: { 'X-API-Key': key } })
  const statuses = async (key: string, times: number) => {
    const all: number[] = []
    for (let i = 0; i < times; i++) all.push((await get(key)).status)
    return all
  }

  it('is told after every request how many are left', async () => {
    for (const left of ['4', '3', '2', '1', '0']) {
      const { status, headers } = await get('a')
      expect([status, headers.get('x-ratelimit-limit'), headers.get('x-ratelimit-remaining')]).toEqual([200, '5', left])
    }
  })

  it('that uses them up is refused with 429 and told when to come again', async () => {
    await statuses('b', 5)
    time += 2_500
    const { status, body, headers } = await get('b')
    expect([status, body.code, body.title]).toEqual([429, 'rate_limited', 'Rate Limit Exceeded'])
    expect(headers.get('retry-after')).toBe('8')
    expect(headers.get('x-ratelimit-limit')).toBe('5')
    expect(headers.get('x-ratelimit-remaining')).toBe('0')
    // Unix seconds.
    expect(Number(headers.get('x-ratelimit-retry-after'))).toBe(Math.floor(time / 1000) + 8)
  })

  it('is served again once the window is over, and not a moment sooner', async () => {
    expect(await statuses('c', 7)).toEqual([200, 200, 200, 200, 200, 429, 429])
    time += 9_999
    expect(await statuses('c', 1)).toEqual([429])
    time += 1
    expect(await statuses('c', 1)).toEqual([200])
  })

  it('does not use up what another has', async () => {
    await statuses('d', 6)
    expect(await statuses('e', 1)).toEqual([200])
  })

  it('that is refused anyway uses up nothing', async () => {
    expect(await statuses('nobody', 7)).toEqual(Array(7).fill(401))
    expect(await statuses('without', 7)).toEqual(Array(7).fill(403))
  })

  it('of an application with a limit of its own has that many a second, whichever installation asks', async () => {
    expect(await statuses('app:3', 2)).toEqual([200, 200])
    expect(await statuses('app:3-elsewhere', 2)).toEqual([200, 429])
    const { headers } = await get('app:3')
    expect([headers.get('x-ratelimit-limit'), headers.get('retry-after')]).toEqual(['3', '1'])
    time += 1_000
    expect(await statuses('app:3', 1)).toEqual([200])
  })
})
