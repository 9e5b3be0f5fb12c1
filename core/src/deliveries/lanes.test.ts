import { expect, it } from 'vitest'
import { createLanes, type Lanes } from './lanes.ts'

const due = (endpointIds: string[]) => endpointIds.map((endpointId) => ({ endpointId, cap: null }))

function openLanes(options: { concurrency: number; perEndpoint: number }) {
  let time = 0
  const lanes = createLanes<null>({ ...options, monotonic: () => time })
  let made = 0
  /** Takes as much as is allotted, and starts as much of it as may start. */
  function fill(endpointIds: string[], most = 1000) {
    const wanted = lanes.allot(due(endpointIds), most)
    for (const { endpointId, most: count } of wanted) {
      for (let n = 0; n < count; n++) addJob(lanes, endpointId, `dlv_${made++}`)
    }
    return startAll(lanes)
  }
  return {
    lanes,
    fill,
    pass: (milliseconds: number) => {
      time += milliseconds
    },
    /** Lets receivers answer, well but not at once, until each may be asked four times at once. */
    acquaint(...endpointIds: string[]) {
      for (const id of endpointIds) {
        for (let n = 0; n < 2; n++) {
          const started = fill([id])
          time += 200
          for (const each of started) each.end('taken')
        }
      }
    },
  }
}

function addJob(lanes: Lanes<null>, endpointId: string, id: string): void {
  const claimed = {
    id,
    eventId: 'evt',
    endpointId,
    format: 'standard',
    attempt: 1,
    cause: 'event',
    baseAttempt: 0,
    probe: false,
    createdTime: '',
    leaseToken: '',
    leaseUntil: '',
  } as const
  lanes.add({ claimed, load: null })
}

function startAll(lanes: Lanes<null>) {
  const started = []
  for (let turn = lanes.next(); turn; turn = lanes.next()) started.push(turn)
  return started
}

const endpointOf = ({ job }: { job: { claimed: { endpointId: string } } }) => job.claimed.endpointId

it('begins small with a receiver it does not know and doubles with every answer, up to the limit', () => {
  const { lanes, fill } = openLanes({ concurrency: 100, perEndpoint: 16 })
  let started = fill(['a'])
  for (const expected of [1, 2, 4, 8, 16, 16]) {
    expect(lanes.sending).toBe(expected)
    started.shift()!.end('taken')
    started = [...started, ...fill(['a'])]
  }
})

it('keeps the next ones at hand for a receiver that answers at once, and for no other', () => {
  const { lanes, fill, pass, acquaint } = openLanes({ concurrency: 100, perEndpoint: 4 })
  acquaint('a')
  const [first, second] = fill(['a'])
  expect([lanes.sending, lanes.waiting]).toEqual([4, 0])
  first!.end('taken')
  fill(['a'])
  expect([lanes.sending, lanes.waiting]).toEqual([4, 12])
  expect(lanes.isLow('a')).toBe(false)
  lanes.takeWaiting()
  expect(lanes.isLow('a')).toBe(true)
  pass(200)
  second!.end('taken')
  fill(['a'])
  expect([lanes.sending, lanes.waiting]).toEqual([4, 0])
})

it('never has more tries under way than the concurrency, and lets endpoints take turns', () => {
  const { fill, lanes, acquaint } = openLanes({ concurrency: 6, perEndpoint: 4 })
  acquaint('a', 'b', 'c')
  const started = fill(['a', 'b', 'c'])
  expect(started).toHaveLength(6)
  expect(started.map(endpointOf)).toEqual(['a', 'b', 'c', 'a', 'b', 'c'])
  started[0]!.end('taken')
  expect(startAll(lanes).map(endpointOf)).toEqual(['a'])
})

it('takes no more for an endpoint that is saturated', () => {
  const { lanes, fill, acquaint } = openLanes({ concurrency: 100, perEndpoint: 4 })
  acquaint('a', 'b')
  fill(['a'])
  expect(lanes.allot(due(['a', 'b']), 100)).toEqual([{ endpointId: 'b', most: 4 }])
})

it('asks a receiver that did not answer one at a time', () => {
  const { lanes, fill, acquaint } = openLanes({ concurrency: 100, perEndpoint: 16 })
  acquaint('a')
  const started = fill(['a'])
  for (const each of started) each.end('silent')
  expect(lanes.waiting).toBe(0)
  expect(lanes.allot(due(['a']), 100)).toEqual([{ endpointId: 'a', most: 1 }])
})

it('gives all slow receivers together a quarter of the tries', () => {
  const { lanes, fill, acquaint } = openLanes({ concurrency: 16, perEndpoint: 4 })
  acquaint('good')
  const slow = Array.from({ length: 40 }, (_, index) => `slow_${index}`)
  for (const id of slow) for (const each of fill([id])) each.end('silent')
  lanes.takeWaiting()
  expect(fill(slow)).toHaveLength(4)
  expect(fill(['good']).map(endpointOf)).toEqual(Array(4).fill('good'))
  // One that has been silent for long is slow before it has failed.
  const stuck = openLanes({ concurrency: 16, perEndpoint: 4 })
  stuck.acquaint('a', 'b', 'c')
  stuck.fill(['a', 'b'])
  stuck.pass(1001)
  expect(stuck.lanes.allot(due(['a', 'b', 'c']), 100)).toEqual([{ endpointId: 'c', most: 4 }])
})

it('has room for those that answer however many hang that it does not know yet, and some for getting to know others', () => {
  const { lanes, fill, pass, acquaint } = openLanes({ concurrency: 16, perEndpoint: 4 })
  acquaint('good', 'fine')
  const hanging = Array.from({ length: 100 }, (_, index) => `hanging_${index}`)
  const stuck = fill(hanging)
  expect(stuck).toHaveLength(8)
  const answering = fill(['good', 'fine'])
  expect(answering).toHaveLength(8)
  expect(lanes.sending).toBe(16)
  for (const each of answering) each.end('taken')
  // And when they have turned out to hang, there is room for others of which nothing is known.
  pass(15_000)
  for (const each of stuck) each.end('silent')
  expect(fill(stuck.map(endpointOf))).toHaveLength(4)
  expect(fill(['new_1', 'new_2', 'new_3', 'new_4', 'new_5']).map(endpointOf)).toEqual([
    'new_1',
    'new_2',
    'new_3',
    'new_4',
  ])
})

it('asks a receiver that has too much to do one at a time, and keeps nothing at hand for it', () => {
  const { lanes, fill, acquaint } = openLanes({ concurrency: 100, perEndpoint: 16 })
  acquaint('a')
  for (const each of fill(['a'])) each.end('refused')
  expect(fill(['a'])).toHaveLength(1)
  expect(lanes.waiting).toBe(0)
})

it('forgets nothing and counts nothing twice when what waits is taken out', () => {
  const { lanes, fill, acquaint } = openLanes({ concurrency: 2, perEndpoint: 4 })
  acquaint('a', 'b')
  lanes.takeWaiting()
  const started = fill(['a', 'b'])
  expect([lanes.sending, lanes.waiting]).toEqual([2, 6])
  expect(lanes.takeWaiting('a')).toHaveLength(3)
  expect(lanes.takeWaiting()).toHaveLength(3)
  expect([lanes.sending, lanes.waiting]).toEqual([2, 0])
  for (const each of started) each.end(null)
  for (const each of started) each.end(null)
  expect([lanes.sending, lanes.waiting]).toEqual([0, 0])
})

it('gives a place to whoever has none before it gives more to those with the oldest backlog', () => {
  const clock = { now: 0 }
  const lanes = createLanes({ concurrency: 8, perEndpoint: 8, monotonic: () => clock.now })
  const job = (endpointId: string) => ({ claimed: { endpointId }, load: null }) as never
  const old = ['a', 'b', 'c', 'd']
  // The four are known to be quick, and always have more.
  for (let round = 0; round < 6; round++) {
    for (const { endpointId, most } of lanes.allot(due(old), 32))
      for (let n = 0; n < most; n++) lanes.add(job(endpointId))
    for (let turn = lanes.next(); turn; turn = lanes.next()) turn.end('taken')
  }
  const first = lanes.allot(due([...old, 'fresh']), 3)
  expect(first).toHaveLength(3)
  for (const { endpointId } of first) lanes.add(job(endpointId))
  expect([...first, ...lanes.allot(due([...old, 'fresh']), 2)].map(({ endpointId }) => endpointId)).toContain('fresh')
  // And nobody of many who wait is left out for good.
  const many = Array.from({ length: 20 }, (_, n) => `m${n}`)
  const seen = new Set<string>()
  for (let round = 0; round < 10; round++) for (const { endpointId } of lanes.allot(due(many), 2)) seen.add(endpointId)
  expect(seen.size).toBe(20)
})

it('lets others have the places of tries that hang, and begins nothing slow or new when too many do', () => {
  const clock = { now: 0 }
  const lanes = createLanes({ concurrency: 4, perEndpoint: 4, monotonic: () => clock.now })
  const job = (endpointId: string) => ({ claimed: { endpointId }, load: null }) as never
  const begin = (endpointId: string) => {
    lanes.add(job(endpointId))
    return lanes.next()
  }
  // Known to be well, one after the other.
  const names = Array.from({ length: 12 }, (_, n) => `e${n}`)
  for (const name of names) begin(name)!.end('taken')
  for (const name of names.slice(0, 4)) begin(name)
  expect(begin('e10')).toBeNull()
  clock.now = 1001
  expect(lanes.next()).not.toBeNull()
  for (const name of names.slice(4, 7)) begin(name)
  clock.now = 2002
  expect(lanes.sending).toBe(8)
  expect(lanes.allot(due(['new', 'e11']), 10).map(({ endpointId }) => endpointId)).toEqual(['e11'])
})
