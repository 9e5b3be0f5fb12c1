import type { Db } from '../database/index.ts'
import { nowIso } from '../kernel/index.ts'
import type { EventType } from './catalogue.ts'
import type { Endpoint } from './endpoint.ts'
import type { EventsContext } from './events-context.ts'
import { publish } from './publish.ts'

/** Tells an organization what became of one of its endpoints. `notTo` leaves out the one that is in no state to be told. */
export async function announceEndpoint(
  ctx: EventsContext,
  db: Db,
  endpoint: Pick<Endpoint, 'id' | 'organizationId' | 'applicationId' | 'environment'>,
  { type, data, notTo }: { type: EventType; data: object; notTo?: string },
): Promise<void> {
  const { id: endpointId, organizationId, applicationId, environment } = endpoint
  await publish(ctx, db, {
    type,
    publisherId: null,
    applicationId,
    organizationId,
    locationId: null,
    environment,
    payload: {
      type,
      timestamp: nowIso(ctx.clock),
      data: { endpointId, organizationId, applicationId, environment, ...data },
    },
    ...(notTo !== undefined && { notTo }),
  })
}
