/** A clock that runs as usual, and can be moved on: clients that nobody here wrote look at the real one. */
export function movableClock() {
  let ahead = 0
  const now = () => new Date(Date.now() + ahead)
  return {
    clock: { now },
    advance: (seconds: number) => void (ahead += seconds * 1000),
    /** Unix seconds. */
    seconds: () => Math.floor(now().getTime() / 1000),
  }
}
export type MovableClock = ReturnType<typeof movableClock>
