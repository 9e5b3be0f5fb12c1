import type { Environment } from '../context.ts'

/** The body of an event of the embedder's own: the payload form of Standard Webhooks, and where it happened. */
export interface EmbedderBody {
  type: string
  timestamp: string
  organizationId: string
  locationId: string | null
  environment: Environment
  data: object
}

/** The members in the order in which they are sent. */
export function embedderBody(parts: EmbedderBody): EmbedderBody {
  const { type, timestamp, organizationId, locationId, environment, data } = parts
  return { type, timestamp, organizationId, locationId, environment, data }
}
