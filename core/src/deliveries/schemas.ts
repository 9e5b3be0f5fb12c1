import { environments } from '../context.ts'
import { Format } from '../events/index.ts'
import { PageQuery } from '../http/index.ts'
import { Id, Nullable, OneOf, Time, Type, type Static } from '../kernel/index.ts'

export const deliveryStates = ['pending', 'held', 'delivered', 'failed', 'cancelled'] as const

const AttemptShape = Type.Object({
  number: Type.Integer({
    description: 'From 1. A number that is missing was cut short by a crash: its outcome is unknown.',
  }),
  url: Type.String(),
  startedTime: Time(),
  durationMilliseconds: Type.Integer(),
  outcome: OneOf(['success', 'failure']),
  responseStatus: Nullable(Type.Integer()),
  responseBody: Nullable(Type.String({ description: 'Its first 4 kB.' })),
  error: Nullable(Type.Object({ code: Type.String(), message: Type.String() })),
})

export const HistoryItemShape = Type.Object({
  id: Id('Of the event; sent as `webhook-id`.'),
  deliveryId: Id('Of this event’s delivery to this endpoint.'),
  type: Type.String(),
  format: Format,
  applicationId: Nullable(Id()),
  organizationId: Id('Where it happened.'),
  locationId: Nullable(Id()),
  environment: OneOf(environments),
  createdTime: Time(),
  status: OneOf(deliveryStates, {
    description:
      '`held`: waiting for the endpoint to be active again. `failed`: the last try failed; no more are made.',
  }),
  attemptCount: Type.Integer(),
  nextAttemptTime: Nullable(Time()),
  completedTime: Nullable(Time()),
  payload: Type.Unknown({
    description: 'As stored: what is made when an event is sent, tokens and HighLevel’s timestamp, is not in it.',
  }),
  attempts: Type.Array(AttemptShape, { description: 'Oldest first.' }),
})

export const HistoryQuery = Type.Object({
  ...PageQuery,
  status: Type.Optional(OneOf(deliveryStates)),
  type: Type.Optional(Type.String({ maxLength: 100 })),
  before: Type.Optional(Id('A deliveryId: only what is older, to page past the largest offset.')),
})
export type HistoryFilter = Static<typeof HistoryQuery>
