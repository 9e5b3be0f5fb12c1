import type { Config } from '../config.ts'
import { healthy, type EndpointHealth } from '../events/index.ts'

/** What one try tells of the receiver. */
export interface Finding {
  outcome: 'success' | 'failure'
  /** When the try began. */
  time: Date
  /** Whether it was the first of its event to this endpoint. */
  first: boolean
  /** Whether it was the one try that an open breaker lets through. */
  probe: boolean
}

export interface Verdict {
  health: EndpointHealth
  /** It has failed for so long, and over so many events, that nothing more should be sent there. */
  hopeless: boolean
}

type Thresholds = Pick<Config['webhooks'], 'breaker' | 'disableAfter'>

const dayMilliseconds = 24 * 3600 * 1000

/**
 * What is known of a receiver after one more try. The breaker opens after some failures in a row and stays open for longer
 * each time the try that it lets through fails too; one success closes it. Rejected: a share of failures in a window, which
 * needs a count of successes, a write for every delivery that succeeds.
 */
export function afterTry(health: EndpointHealth, finding: Finding, now: Date, thresholds: Thresholds): Verdict {
  if (finding.outcome === 'success') {
    return { health: healthy, hopeless: false }
  }
  const { breaker, disableAfter } = thresholds
  const failed: EndpointHealth = {
    ...health,
    failures: health.failures + 1,
    failedEvents: health.failedEvents + (finding.first ? 1 : 0),
    failingSince: health.failingSince ?? finding.time.toISOString(),
  }
  const opens = health.breaker === 'closed' && failed.failures >= breaker.failures
  // Not by time alone: one event that failed long ago and another today are no days of failure.
  const hopeless =
    (opens || health.breakerTrips > 0) &&
    failed.failedEvents >= disableAfter.messages &&
    now.getTime() - Date.parse(failed.failingSince!) >= disableAfter.days * dayMilliseconds
  // What was under way when it opened says nothing new.
  if (!opens && !(health.breaker === 'open' && finding.probe)) return { health: failed, hopeless }
  const trips = opens ? 0 : health.breakerTrips
  const seconds = Math.min(breaker.mostSeconds, breaker.seconds * 2 ** Math.min(trips, 20))
  const until = new Date(now.getTime() + seconds * 1000).toISOString()
  return {
    health: { ...failed, breaker: 'open', breakerUntil: until, breakerTrips: trips + 1 },
    hopeless,
  }
}
