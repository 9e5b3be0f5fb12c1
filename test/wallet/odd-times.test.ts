import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { eachDatabase } from '../support/databases.ts'
import type { Answer } from '../support/host.ts'
import { openWorld, type World } from './world.ts'

// The statuses are written down, so that they are the same on either database. The clock of the world is at March 2026.
eachDatabase((database) => {
  let world: World
  let endpointId: string
  let keyMaker: string
  beforeAll(async () => {
    world = await openWorld(database)
    await world.fund(world.locationId, 10)
    await world.charge()
    const answer = await world.request('POST', '/developers/webhooks/endpoints', {
      token: world.publisher.token,
      body: { url: 'https://receiver.example.com/hooks', events: ['*'] },
    })
    endpointId = answer.body.id
    keyMaker = await world.merchant.key('production', ['api-keys:create', 'locations:show'])
  })
  afterAll(() => world?.close())

  describe('a period of a statement', () => {
    const doors: [string, () => [path: string, token: string]][] = [
      ['a wallet', () => [`${world.place(world.locationId)}/wallet/statement?`, world.merchant.token]],
      ['earnings', () => ['/earnings/statement?', world.merchant.token]],
      ['an application', () => [`/developers/applications/${world.appId}/statement?`, world.publisher.token]],
    ]
    const periods: { query: string; wrong: string | null }[] = [
      { query: 'month=0000-01', wrong: 'month' },
      { query: 'month=0000-12', wrong: 'month' },
      { query: 'month=0001-01', wrong: null },
      { query: 'month=0050-01', wrong: null },
      { query: 'month=9999-11', wrong: null },
      { query: 'month=9999-12', wrong: 'month' },
      { query: 'from=0000-01-01&to=0000-01-05', wrong: 'from' },
      { query: 'from=0000-12-31&to=0001-01-05', wrong: 'from' },
      { query: 'from=0001-01-01&to=0001-01-05', wrong: null },
      { query: 'from=0001-01-01T00:00:00%2B00:01&to=0001-01-05', wrong: 'from' },
      { query: 'from=9999-12-31&to=9999-12-31T23:59:59.999Z', wrong: null },
      { query: 'from=9999-12-31&to=9999-12-31T23:59:00-23:59', wrong: 'to' },
      { query: 'from=9999-12-31&to=9999-12-31T24:00:00Z', wrong: 'to' },
      { query: 'from=2026-02-29&to=2026-03-02', wrong: 'from' },
      { query: 'from=2026-03-01&to=2026-06-30T23:59:60Z', wrong: 'to' },
    ]
    it.each(doors.flatMap(([what, door]) => periods.map((period) => ({ what, door, ...period }))))(
      'of $what, $query, is answered, or refused as $wrong',
      async ({ door, query, wrong }) => {
        const [path, token] = door()
        await expectAnswer(world.get(path + query, token), wrong)
      },
    )
  })

  /** Whether it is a time at all, and if so whether it lies ahead. */
  const times = [
    ['0000-01-01T00:00:00Z', 'none'],
    ['0000-12-31T23:59:59Z', 'none'],
    ['0001-01-01T00:00:00+00:01', 'none'],
    ['0001-01-01T00:00:00Z', 'past'],
    ['0000-12-31T23:00:00-01:00', 'past'],
    ['0050-06-15T00:00:00+14:00', 'past'],
    ['9999-12-31T23:59:59.9999999Z', 'ahead'],
    ['9999-12-31T23:59:59-10:00', 'none'],
    ['9999-12-31T24:00:00Z', 'none'],
    ['+010000-01-01T00:00:00Z', 'none'],
    ['-000001-01-01T00:00:00Z', 'none'],
    ['2026-06-30T23:59:60Z', 'none'],
    ['2026-02-29T00:00:00Z', 'none'],
  ] as const
  const post = (path: string, token: string, body: object) => world.request('POST', path, { token, body })

  /** What takes a time of a caller's, in which member, and what it refuses of those that are times, naming which member. */
  const doors: {
    what: string
    field: string
    refuses: { past?: string; ahead?: string }
    ask: (time: string) => Promise<Answer>
  }[] = [
    {
      what: 'the beginning of a grant',
      field: 'effectiveTime',
      refuses: {},
      ask: (effectiveTime) => grant({ effectiveTime }),
    },
    {
      what: 'the end of a grant',
      field: 'expiresTime',
      refuses: { past: 'expiresTime' },
      ask: (expiresTime) => grant({ expiresTime }),
    },
    {
      what: 'the end of an API key',
      field: 'expiresTime',
      refuses: { past: 'expiresTime' },
      ask: (expiresTime) => post('/api-keys', keyMaker, { name: 'K', permissions: ['locations:show'], expiresTime }),
    },
    {
      what: 'the first day of the listed charges',
      field: 'startDate',
      refuses: {},
      ask: (time) => world.get(`${world.chargesPath}?startDate=${encodeURIComponent(time)}`),
    },
    {
      what: 'the last day of the listed charges',
      field: 'endDate',
      refuses: {},
      ask: (time) => world.get(`${world.chargesPath}?endDate=${encodeURIComponent(time)}`),
    },
    {
      what: 'the beginning of listed deliveries',
      field: 'since',
      refuses: {},
      ask: (time) =>
        world.get(`/developers/webhooks/deliveries?since=${encodeURIComponent(time)}`, world.publisher.token),
    },
    {
      what: 'the end of listed deliveries',
      field: 'until',
      refuses: {},
      ask: (time) =>
        world.get(`/developers/webhooks/deliveries?until=${encodeURIComponent(time)}`, world.publisher.token),
    },
    {
      what: 'the beginning of a replay',
      field: 'since',
      refuses: { past: 'since', ahead: 'until' },
      ask: (since) => replay({ since, until: world.now() }),
    },
    {
      what: 'the end of a replay',
      field: 'until',
      refuses: { past: 'until' },
      ask: (until) => replay({ since: world.inSeconds(-60), until, dryRun: true }),
    },
    {
      what: 'the time from which a price is in force',
      field: 'effectiveTime',
      refuses: { past: 'effectiveTime', ahead: 'effectiveTime' },
      ask: (effectiveTime) =>
        world.request('PATCH', `/developers/applications/${world.appId}/meters/${world.fixed}`, {
          token: world.publisher.token,
          body: { price: 1, effectiveTime },
        }),
    },
  ]

  let grants = 0
  const grant = (times: object) =>
    post('/platform/grants', world.operator.token, {
      locationId: world.locationId,
      amount: 1,
      kind: 'promotional',
      reference: `odd-${++grants}`,
      ...times,
    })
  const replay = (body: object) =>
    post(`/developers/webhooks/endpoints/${endpointId}/replays`, world.publisher.token, { kind: 'range', ...body })

  describe.each(doors)('$what', ({ field, refuses, ask }) => {
    it.each(times)('%s is refused where it is none: %s', async (time, kind) => {
      await expectAnswer(ask(time), kind === 'none' ? field : (refuses[kind] ?? null))
    })
  })

  it.each(times)('a charge of the time %s (%s) is refused, and no fault', async (eventTime, kind) => {
    const { status, body } = await world.charge({ eventTime })
    expect([status, body.code]).toEqual(
      kind === 'none'
        ? [422, expect.stringMatching(/^(validation_failed|invalid_request)$/)]
        : [422, 'event_time_out_of_range'],
    )
  })

  async function expectAnswer(asked: Promise<Answer>, wrong: string | null): Promise<void> {
    const { status, body } = await asked
    if (wrong === null) expect(status, JSON.stringify(body)).toBeLessThan(300)
    // Schemas of queries refuse in another way than those of bodies.
    else if (status === 400) expect([body.code, body.message.split(' ')[0]]).toEqual(['invalid_request', wrong])
    else expect([status, body.invalidFields?.[0]?.field], JSON.stringify(body)).toEqual([422, wrong])
  }
})
