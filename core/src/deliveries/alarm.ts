export interface Alarm {
  /** Ends the present wait, or the next one if nobody is waiting. */
  ring(): void
  /** Resolves after some milliseconds, or when it rings. */
  wait(milliseconds: number): Promise<void>
}

/** A sleep that can be cut short. A ring that nobody heard is not lost: what rang may have come just after the last look. */
export function createAlarm(): Alarm {
  let rung = false
  let wake: (() => void) | null = null
  return {
    ring() {
      rung = true
      wake?.()
    },
    async wait(milliseconds) {
      if (!rung) {
        await new Promise<void>((resolve) => {
          const timer = setTimeout(resolve, milliseconds)
          wake = () => {
            clearTimeout(timer)
            resolve()
          }
        })
      }
      wake = null
      rung = false
    },
  }
}
