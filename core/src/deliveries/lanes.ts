import type { Claimed } from './claim-deliveries.ts'

/** A delivery with what is needed to send it. */
export interface Job<Load> {
  claimed: Claimed
  load: Load
}

/** What came of a try: the event was taken, it was not, or there was no answer. */
export type Reaction = 'taken' | 'refused' | 'silent'

interface Lane<Load> {
  /** How many tries may be under way at once; grows with answers, as TCP's window does, and falls with silence. */
  limit: number
  /** `new` until the first try ends; then whether the last one was answered in time. */
  standing: 'new' | 'good' | 'slow'
  /** Answered at once when last asked. */
  quick: boolean
  waiting: Job<Load>[]
  /** When each try under way began, the oldest first. */
  started: Set<{ at: number }>
}

export interface LanesOptions {
  concurrency: number
  perEndpoint: number
  /** Milliseconds of a clock that only goes forward. */
  monotonic: () => number
}

/** An endpoint that something is due for. */
export interface Due {
  endpointId: string
  /** Tries under way at once that it may have of this process; null for as many as anybody. */
  cap: number | null
}

export interface Allotment {
  endpointId: string
  most: number
}

export interface Lanes<Load> {
  /** How many deliveries to take for each of these endpoints, in this order and `most` together; saturated ones are left out. */
  allot(due: Due[], most: number): Allotment[]
  /** Whether so little is left for an endpoint that it is worth taking more; of a quick one in portions, not one by one. */
  isLow(endpointId: string): boolean
  add(job: Job<Load>): void
  /**
   * The next job that may start, endpoints taking turns; null when none may. `end` is to be called with what came of it,
   * or null when the receiver was not asked; calling it again changes nothing.
   */
  next(): { job: Job<Load>; end: (reaction: Reaction | null) => void } | null
  /** Takes out what waits, of one endpoint or of all. */
  takeWaiting(endpointId?: string): Job<Load>[]
  readonly waiting: number
  readonly sending: number
}

const slowMilliseconds = 1000
const slowShare = 4
const doubtfulShare = 2
const quickMilliseconds = 100
const quickAhead = 4
const mostRemembered = 10_000

/** Tries that take longer than a second have places of their own, this many times as many as the others. */
const hangingShare = 2

/**
 * One lane per endpoint, so that receivers cannot get into each other's way: a lane takes only as much as its receiver
 * keeps up with. All slow lanes together get a quarter of the tries, because a few dozen hanging receivers would
 * otherwise fill every one of them, each within its own limit. With the new ones, of which nobody knows whether they hang,
 * it is a half: the other half is always there for those that answer, and a quarter for getting to know somebody. A try that
 * hangs gives its place up after a second and goes on beside them: a hundred receivers that fall silent at the same moment
 * would otherwise hold every place until their deadline. When too many hang, nothing slow or new begins.
 */
export function createLanes<Load>({ concurrency, perEndpoint, monotonic }: LanesOptions): Lanes<Load> {
  const lanes = new Map<string, Lane<Load>>()
  const caps = new Map<string, number>()
  /** The turn in which an endpoint was last given something. */
  const served = new Map<string, number>()
  let turns = 0
  /** Those that hold anything; whoever had a turn goes to the end. */
  const active = new Map<string, Lane<Load>>()
  const slowMost = Math.max(1, Math.floor(concurrency / slowShare))
  const doubtfulMost = Math.max(1, Math.floor(concurrency / doubtfulShare))
  const hangingMost = hangingShare * concurrency
  let waiting = 0
  type Mark = { at: number }
  /** Tries under way: the oldest first, and those of them that hang. */
  const fresh = new Set<Mark>()
  const hanging = new Set<Mark>()
  const isHanging = ({ at }: Mark) => monotonic() - at > slowMilliseconds
  const sortOut = () => {
    for (const mark of fresh) {
      if (!isHanging(mark)) break
      fresh.delete(mark)
      hanging.add(mark)
    }
  }

  const laneOf = (endpointId: string): Lane<Load> =>
    lanes.get(endpointId) ?? {
      limit: 1,
      standing: 'new',
      quick: false,
      waiting: [],
      started: new Set(),
    }
  const held = (lane: Lane<Load>) => lane.waiting.length + lane.started.size
  /** What it holds of the places that are shared. */
  const holding = (lane: Lane<Load>) => held(lane) - [...lane.started].filter((mark) => hanging.has(mark)).length
  const isSlow = (lane: Lane<Load>) => {
    const [oldest] = lane.started
    return lane.standing === 'slow' || (oldest !== undefined && monotonic() - oldest.at > slowMilliseconds)
  }
  // For a quick receiver the next ones are kept at hand, because taking them one by one costs more than sending them. For
  // another they would only wait here, in the way of those who could go.
  // Nor for one with a limit of its own, which counts what was taken.
  const capacity = (endpointId: string, lane: Lane<Load>) => {
    const cap = caps.get(endpointId)
    if (cap !== undefined) return Math.min(cap, lane.limit)
    return (lane.quick && !isSlow(lane) ? quickAhead : 1) * lane.limit
  }
  const servedAt = ({ endpointId }: Due) => served.get(endpointId) ?? 0
  const serve = (endpointId: string) => {
    served.delete(endpointId)
    served.set(endpointId, ++turns)
    // The first is the one served longest ago; forgotten, it comes first, as it would have anyway.
    if (served.size > mostRemembered) served.delete(served.keys().next().value!)
  }
  const settle = (endpointId: string, lane: Lane<Load>) => {
    if (held(lane) > 0) return
    active.delete(endpointId)
    if (lanes.size > mostRemembered) lanes.delete(endpointId)
  }

  return {
    allot(due, most) {
      let left = most
      sortOut()
      const isFull = hanging.size >= hangingMost
      let slowLeft = isFull ? 0 : slowMost
      let doubtfulLeft = isFull ? 0 : doubtfulMost
      for (const lane of active.values()) {
        if (isSlow(lane)) slowLeft -= holding(lane)
        if (isSlow(lane) || lane.standing === 'new') doubtfulLeft -= holding(lane)
      }
      const wanted = new Map<string, number>()
      const give = ({ endpointId }: Due, wish: number) => {
        const lane = laneOf(endpointId)
        const slow = isSlow(lane)
        const doubtful = slow || lane.standing === 'new'
        const free = capacity(endpointId, lane) - held(lane) - (wanted.get(endpointId) ?? 0)
        const room = Math.min(wish, left, free, slow ? slowLeft : free, doubtful ? doubtfulLeft : free)
        if (room <= 0) return
        left -= room
        if (slow) slowLeft -= room
        if (doubtful) doubtfulLeft -= room
        wanted.set(endpointId, (wanted.get(endpointId) ?? 0) + room)
        serve(endpointId)
      }
      for (const { endpointId, cap } of due) {
        if (cap === null) caps.delete(endpointId)
        else caps.set(endpointId, Math.min(cap, perEndpoint))
      }
      // First one each to those that have nothing here, whoever was served longest ago before the others: old backlogs, which
      // are always due for longest, would otherwise take every place for as long as they last.
      const idle = due.filter(({ endpointId }) => held(laneOf(endpointId)) === 0)
      for (const each of idle.sort((a, b) => servedAt(a) - servedAt(b))) give(each, 1)
      for (const each of due) {
        if (left <= 0) break
        give(each, left)
      }
      return [...wanted].map(([endpointId, room]) => ({ endpointId, most: room }))
    },
    isLow(endpointId) {
      const lane = laneOf(endpointId)
      const room = capacity(endpointId, lane)
      return lane.quick ? held(lane) <= room / 2 : held(lane) < room
    },
    add(job) {
      const { endpointId } = job.claimed
      const lane = laneOf(endpointId)
      lanes.set(endpointId, lane)
      lane.waiting.push(job)
      waiting++
      if (!active.has(endpointId)) active.set(endpointId, lane)
    },
    next() {
      if (waiting === 0) return null
      sortOut()
      if (fresh.size >= concurrency) return null
      for (const [endpointId, lane] of active) {
        const most = Math.min(lane.limit, caps.get(endpointId) ?? lane.limit)
        if (lane.waiting.length === 0 || lane.started.size >= most) continue
        const job = lane.waiting.shift()!
        const mark = { at: monotonic() }
        lane.started.add(mark)
        fresh.add(mark)
        waiting--
        active.delete(endpointId)
        active.set(endpointId, lane)
        const end = (reaction: Reaction | null) => {
          if (!lane.started.delete(mark)) return
          if (!fresh.delete(mark)) hanging.delete(mark)
          if (reaction !== null) {
            const lasted = monotonic() - mark.at
            lane.standing = reaction === 'silent' || lasted > slowMilliseconds ? 'slow' : 'good'
            lane.quick = reaction === 'taken' && lasted < quickMilliseconds
            lane.limit = reaction === 'taken' ? Math.min(perEndpoint, lane.limit * 2) : 1
          }
          settle(endpointId, lane)
        }
        return { job, end }
      }
      return null
    },
    takeWaiting(endpointId) {
      const chosen = endpointId === undefined ? [...active] : [[endpointId, laneOf(endpointId)] as const]
      return chosen.flatMap(([id, lane]) => {
        const jobs = lane.waiting.splice(0)
        waiting -= jobs.length
        settle(id, lane)
        return jobs
      })
    },
    get waiting() {
      return waiting
    },
    get sending() {
      return fresh.size + hanging.size
    },
  }
}
