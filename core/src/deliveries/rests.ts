/** Endpoints that are left alone for a while, whatever is due for them. Kept by this process, for what it met itself. */
export interface Rests {
  /** Until an ISO time, or until the endpoint is changed: then nothing of what was met need be true any more. */
  rest(endpoint: { id: string; updatedTime: string }, until: string): void
  /** Until when an endpoint rests; null when it does not. */
  endOf(endpoint: { id: string; updatedTime: string }, now: string): string | null
}

export function createRests(): Rests {
  const rests = new Map<string, { updatedTime: string; until: string }>()
  return {
    rest({ id, updatedTime }, until) {
      rests.set(id, { updatedTime, until })
    },
    endOf({ id, updatedTime }, now) {
      const rest = rests.get(id)
      if (!rest) return null
      if (rest.updatedTime === updatedTime && rest.until > now) return rest.until
      rests.delete(id)
      return null
    },
  }
}
