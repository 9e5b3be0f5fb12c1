import type { EventEmitter } from 'eventemitter3'
import type { Signals } from './context.ts'
import type { Notifications } from './database/index.ts'

const relayed = ['deliveries-due', 'payout-runs-due', 'credentials-changed'] as const

/** Lets the processes that share a database hear each other's hints: work wakes at once, and what was revoked is forgotten. */
export function relaySignals(signals: EventEmitter<Signals>, notifications: Notifications): { start(): void } {
  // Emitting is synchronous: what is told while this is so came from outside, and is not told again.
  let hearing = false
  for (const signal of relayed) {
    signals.on(signal, () => {
      if (!hearing) notifications.notify(signal)
    })
  }
  return {
    start() {
      notifications.listen((topic) => {
        const signal = relayed.find((each) => each === topic)
        if (!signal) return
        hearing = true
        try {
          signals.emit(signal)
        } finally {
          hearing = false
        }
      })
    },
  }
}
