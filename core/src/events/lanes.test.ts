import { expect, it } from 'vitest'
import { createLanes, type Lanes } from './lanes.ts'

function openLanes(options: { concurrency: number; perEndpoint: number }) {
  let time = 0
  const lanes = createLanes<null>({ ...options, monotonic: () => time })
  let made = 0
  return {
    lanes,
    pass: (milliseconds: number) => {
      time += milliseconds
    },
    /** Takes as much as is allotted, and starts as much of it as may start. */
    fill(endpointIds: string[], most = 1000) {
      const wanted = lanes.allot(endpointIds, most)
      for (const { endpointId, most: count } of wanted) {
        for (let n = 0; n < count; n++) addJob(lanes, endpointId, `dlv_${made++}`)
      }
      return startAll(lanes)
    },
  }
}

function addJob(lanes: Lanes<null>, endpointId: string, id: string): void {
  const claimed = { id, eventId: 'evt', endpointId, attempt: 1, leaseToken: 'token', leaseUntil: '' }
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
  const first = fill(['a'])
  expect(first).toHaveLength(4)
  first[0]!.end(true)
  fill(['a'])
  expect(lanes.sending).toBe(8)
  first[1]!.end(true)
  fill(['a'])
  first[2]!.end(true)
  fill(['a'])
  expect(lanes.sending).toBe(16)
})

it('keeps the next ones at hand for a receiver that answers at once, and for no other', () => {
  const { lanes, fill, pass } = openLanes({ concurrency: 100, perEndpoint: 4 })
  const [first, second] = fill(['a'])
  expect([lanes.sending, lanes.waiting]).toEqual([4, 0])
  first!.end(true)
  fill(['a'])
  expect([lanes.sending, lanes.waiting]).toEqual([4, 12])
  expect(lanes.isLow('a')).toBe(false)
  lanes.takeWaiting()
  expect(lanes.isLow('a')).toBe(true)
  pass(200)
  second!.end(true)
  fill(['a'])
  expect([lanes.sending, lanes.waiting]).toEqual([4, 0])
})

it('never has more tries under way than the concurrency, and lets endpoints take turns', () => {
  const { lanes, fill } = openLanes({ concurrency: 6, perEndpoint: 4 })
  const started = fill(['a', 'b', 'c'])
  expect(started).toHaveLength(6)
  expect(started.map(endpointOf)).toEqual(['a', 'b', 'c', 'a', 'b', 'c'])
  started[0]!.end(true)
  expect(startAll(lanes).map(endpointOf)).toEqual(['a'])
})

it('takes no more for an endpoint that is saturated', () => {
  const { lanes, fill } = openLanes({ concurrency: 100, perEndpoint: 4 })
  fill(['a'])
  expect(lanes.allot(['a', 'b'], 100)).toEqual([{ endpointId: 'b', most: 4 }])
})

it('asks a receiver that did not answer one at a time', () => {
  const { lanes, fill } = openLanes({ concurrency: 100, perEndpoint: 16 })
  const started = fill(['a'])
  for (const each of started) each.end(false)
  expect(lanes.waiting).toBe(0)
  expect(lanes.allot(['a'], 100)).toEqual([{ endpointId: 'a', most: 1 }])
})

it('gives all slow receivers together a quarter of the tries', () => {
  const { lanes, fill, pass } = openLanes({ concurrency: 16, perEndpoint: 4 })
  const slow = Array.from({ length: 40 }, (_, index) => `slow_${index}`)
  for (const id of slow) for (const each of fill([id])) each.end(false)
  lanes.takeWaiting()
  expect(fill(slow)).toHaveLength(4)
  expect(fill(['good']).map(endpointOf)).toEqual(Array(4).fill('good'))
  // One that has been silent for long is slow before it has failed.
  const stuck = openLanes({ concurrency: 16, perEndpoint: 16 })
  stuck.fill(['a', 'b'])
  stuck.pass(1001)
  expect(stuck.lanes.allot(['a', 'b', 'c'], 100)).toEqual([{ endpointId: 'c', most: 4 }])
  pass(0)
})

it('forgets nothing and counts nothing twice when what waits is taken out', () => {
  const { lanes, fill } = openLanes({ concurrency: 2, perEndpoint: 4 })
  const started = fill(['a', 'b'])
  expect([lanes.sending, lanes.waiting]).toEqual([2, 6])
  expect(lanes.takeWaiting('a')).toHaveLength(3)
  expect(lanes.takeWaiting()).toHaveLength(3)
  expect([lanes.sending, lanes.waiting]).toEqual([2, 0])
  for (const each of started) each.end(null)
  expect([lanes.sending, lanes.waiting]).toEqual([0, 0])
})
