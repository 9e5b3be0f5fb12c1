import { eventFilterPattern } from '../events/index.ts'
import { Id, Nullable, OneOf, Strict, Time, Type, type Static } from '../kernel/index.ts'

export const replayKinds = ['failed', 'range', 'missing'] as const
export const finishedStates = ['delivered', 'failed', 'cancelled'] as const

const Kind = OneOf(replayKinds, {
  description:
    '`failed`: whatever failed for good. `range`: whatever is finished, received or not. `missing`: events that the endpoint would get by its present filter and never got, because it was not there yet or did not want them.',
})
const Types = Type.Array(Type.String({ pattern: eventFilterPattern, maxLength: 100 }), {
  minItems: 1,
  maxItems: 50,
  uniqueItems: true,
  description: 'Event types; `*` stands for any part of one. Without it: all.',
})
const Statuses = Type.Array(OneOf(finishedStates), {
  minItems: 1,
  maxItems: 3,
  uniqueItems: true,
  description: 'Of `range` alone: what came of a delivery. Without it: anything.',
})

export const CreateReplayBody = Strict({
  kind: Kind,
  since: Time('From when: when the delivery was made or, of `missing`, when the event happened.'),
  until: Type.Optional(Time('Up to when, exclusive; now, at the latest.')),
  types: Type.Optional(Types),
  statuses: Type.Optional(Statuses),
  perSecond: Type.Optional(
    Type.Integer({ minimum: 1, maximum: 1000, default: 100, description: 'How many are queued in a second.' }),
  ),
  dryRun: Type.Optional(Type.Boolean({ description: 'Only counts: `queued` says how many it would be.' })),
})
export type CreateReplay = Static<typeof CreateReplayBody>

export const ReplayShape = Type.Object({
  id: Id(),
  endpointId: Id(),
  kind: Kind,
  since: Time(),
  until: Time(),
  types: Nullable(Type.Array(Type.String())),
  statuses: Nullable(Type.Array(OneOf(finishedStates))),
  perSecond: Type.Integer(),
  dryRun: Type.Boolean(),
  state: OneOf(['running', 'done', 'cancelled', 'failed']),
  reason: Nullable(Type.String({ description: 'Why it failed, for people.' })),
  lookedAt: Type.Integer({
    description:
      'How many deliveries it has looked at; of `missing`, events that happened to you, or that you may be told.',
  }),
  queued: Type.Integer({ description: 'How many of them it has queued to be sent.' }),
  createdBy: Type.String(),
  createdTime: Time(),
  finishedTime: Nullable(Time()),
})
