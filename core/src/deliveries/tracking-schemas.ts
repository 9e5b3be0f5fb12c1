import { CollectionParameters } from '../database/index.ts'
import { PageQuery } from '../http/index.ts'
import { Id, OneOf, Time, Type, type Static } from '../kernel/index.ts'

const { filter, sort, q } = CollectionParameters
export const TrackingQuery = Type.Object({ ...PageQuery, filter, sort, q })

const Headers = Type.Record(Type.String(), Type.String())

/** Rebilly's `WebhookTracking`: an item is one attempt. Members without a value are absent, as its types want it. */
export const TrackingShape = Type.Object({
  id: Id(),
  status: Type.Optional(Type.Integer({ description: 'Of the answer; absent when there was none.' })),
  duration: Type.Integer({ description: 'Milliseconds.' }),
  initiatedTime: Time('When the delivery was made.'),
  sentTime: Time('When this attempt began.'),
  url: Type.String(),
  method: Type.String(),
  request: Type.String({ description: 'The payload as it is stored: what is made when it is sent is not in it.' }),
  response: Type.Optional(Type.String()),
  requestHeaders: Headers,
  responseHeaders: Type.Optional(Headers),
  entityId: Type.String({ description: 'The application that the event concerns, or the organization.' }),
  organizationId: Id('Where it happened.'),
  eventType: Type.String(),
  source: OneOf(['webhooks']),
  attempt: Type.Integer(),
  createdTime: Time(),
  updatedTime: Time(),
  _links: Type.Array(Type.Object({ rel: OneOf(['self']), href: Type.String() })),
})
export type Tracking = Static<typeof TrackingShape>
