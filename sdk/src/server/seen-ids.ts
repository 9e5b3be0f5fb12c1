/** Remembers which deliveries were handled. Fill it with a shared store when the application runs as several processes. */
export type SeenIds = {
  has(id: string): boolean | Promise<boolean>
  add(id: string): unknown
}

/** In memory, for one process: the last `max` ids. */
export function createSeenIds(max = 10_000): SeenIds {
  const ids = new Set<string>()
  return {
    has: (id) => ids.has(id),
    add(id) {
      ids.delete(id) // a Set keeps its order of insertion, so the oldest is always first
      ids.add(id)
      for (const oldest of ids) {
        if (ids.size <= max) break
        ids.delete(oldest)
      }
    },
  }
}
