import { environments } from '../context.ts'
import { deliveryCauses, eventFilterPattern, Format } from '../events/index.ts'
import { PageQuery } from '../http/index.ts'
import { Id, Nullable, OneOf, Time, Type, type Static } from '../kernel/index.ts'

export const deliveryStates = ['pending', 'held', 'delivered', 'failed', 'cancelled'] as const

const Cause = OneOf(deliveryCauses, {
  description: '`event`: it happened. `test`: an example that was asked for. `resend`, `replay`: sent once more.',
})
const ErrorCode = Type.String({
  description: 'A word for what went wrong: `timeout`, `dns`, `status` for an answer that is not 2xx.',
})
const Headers = Type.Record(Type.String(), Type.String())

const AttemptShape = Type.Object({
  number: Type.Integer({
    description: 'From 1. A number that is missing was cut short by a crash: its outcome is unknown.',
  }),
  cause: Cause,
  method: Type.String(),
  url: Type.String(),
  requestHeaders: Headers,
  startedTime: Time(),
  durationMilliseconds: Type.Integer({ description: 'From the beginning to the end of the answer, or to the error.' }),
  connectMilliseconds: Nullable(
    Type.Integer({ description: 'Until the connection was there; null when one was, from an earlier attempt.' }),
  ),
  firstByteMilliseconds: Nullable(Type.Integer({ description: 'Until the answer began; null when none did.' })),
  remoteAddress: Nullable(Type.String({ description: 'The address that was connected to.' })),
  outcome: OneOf(['success', 'failure']),
  responseStatus: Nullable(Type.Integer()),
  responseHeaders: Nullable(Headers),
  responseBody: Nullable(Type.String({ description: 'Its first 4 kB.' })),
  error: Nullable(Type.Object({ code: ErrorCode, message: Type.String() })),
})

/** Of the event and of its way to one endpoint, without ids. */
const common = {
  type: Type.String(),
  format: Format,
  cause: Cause,
  applicationId: Nullable(Id()),
  organizationId: Id('Where it happened.'),
  locationId: Nullable(Id()),
  environment: OneOf(environments),
  createdTime: Time('When it happened.'),
  status: OneOf(deliveryStates, {
    description:
      '`held`: waiting for the endpoint to be active again. `failed`: the last try failed; no more are made.',
  }),
  held: Nullable(
    Type.Object({
      cause: OneOf(['owner', 'gone', 'asked', 'failing'], { description: 'Who or what disabled the endpoint.' }),
      reason: Nullable(Type.String()),
    }),
    { description: 'Why it is held; null when it is not.' },
  ),
  attemptCount: Type.Integer(),
  nextAttemptTime: Nullable(Time()),
  completedTime: Nullable(Time()),
  lastStatus: Nullable(Type.Integer({ description: 'Of the last answer; null when the last try got none.' })),
  lastError: Nullable(ErrorCode, { description: 'What was wrong with the last try; null when nothing was.' }),
}
const detail = {
  payload: Type.Unknown({
    description: 'As stored: what is made when an event is sent, tokens and HighLevel’s timestamp, is not in it.',
  }),
  attempts: Type.Array(AttemptShape, { description: 'Oldest first.' }),
}

export const DeliveryShape = Type.Object({
  id: Id('Of this event’s delivery to this endpoint.'),
  eventId: Id('Sent as `webhook-id`.'),
  endpointId: Id(),
  ...common,
})

export const DeliveryDetailShape = Type.Object({ ...DeliveryShape.properties, ...detail })

/** The same as Baloom's history of an endpoint tells it: an item is an event. */
export const HistoryItemShape = Type.Object({
  id: Id('Of the event; sent as `webhook-id`.'),
  deliveryId: Id('Of this event’s delivery to this endpoint.'),
  ...common,
  ...detail,
})

const filters = {
  eventId: Type.Optional(Id()),
  applicationId: Type.Optional(Id('The application that the event concerns.')),
  type: Type.Optional(
    Type.String({
      pattern: eventFilterPattern,
      maxLength: 100,
      description: 'An event type; `*` stands for any part of one: `charge.*`.',
    }),
  ),
  status: Type.Optional(OneOf(deliveryStates)),
  responseStatus: Type.Optional(
    Type.String({
      pattern: '^([1-5][0-9]{2}|[1-5]xx|none)$',
      description: 'Of the last answer: `404`, `4xx`, or `none` where the last try got no answer.',
    }),
  ),
  errorCode: Type.Optional(
    Type.String({ pattern: '^[a-z][a-z_-]*$', maxLength: 50, description: 'What was wrong with the last try.' }),
  ),
  since: Type.Optional(Time('Deliveries that were made at or after this time.')),
  until: Type.Optional(Time('Deliveries that were made before this time.')),
  before: Type.Optional(Id('A delivery’s id: only what is older. Stable while new ones come in.')),
}

export const HistoryQuery = Type.Object({ ...PageQuery, ...filters })

export const SearchQuery = Type.Object({
  limit: PageQuery.limit,
  endpointId: Type.Optional(Id()),
  ...filters,
})
export type DeliveryFilter = Omit<Static<typeof SearchQuery>, 'limit'>
