import { environments } from '../../context.ts'
import { Id, Nullable, OneOf, Time, Type, type TSchema } from '../../kernel/index.ts'
import { exampleIds, exampleTime, ownType, type OwnType } from './own-type.ts'

// Without the address: it may have a password in it, and the organization's other endpoints are other people's.
const endpointMembers = {
  endpointId: Id(),
  organizationId: Id('Whose endpoint it is.'),
  applicationId: Nullable(Id('The application whose events alone the endpoint receives.')),
  environment: OneOf(environments),
}
const endpoint = {
  endpointId: exampleIds.endpoint,
  organizationId: exampleIds.organization,
  applicationId: null,
  environment: 'production',
}

const stateOf = (
  type: string,
  sentence: string,
  { members, example }: { members: Record<string, TSchema>; example: object },
): OwnType =>
  ownType(type, {
    sentence,
    data: Type.Object({ ...endpointMembers, ...members }),
    example: { ...endpoint, ...example },
    audience: ['organization'],
  })

/** What becomes of webhook endpoints and of what they are sent. For the organization whose endpoint it is. */
export const endpointTypes = {
  'endpoint.disabled': stateOf('endpoint.disabled', 'An endpoint was disabled; its events are held.', {
    members: {
      cause: OneOf(['gone', 'asked', 'failing', 'owner'], {
        description:
          '`gone`: the receiver answered 410. `asked`: it answered with `webhook-delivery: disable`. `failing`: days without a success. `owner`: somebody did it.',
      }),
      reason: Nullable(Type.String({ description: 'For people.' })),
    },
    example: { cause: 'gone', reason: 'The receiver answered 410 Gone.' },
  }),
  'endpoint.failing': stateOf('endpoint.failing', 'An endpoint failed so often in a row that it is left alone.', {
    members: {
      until: Time('When it is tried again.'),
      failures: Type.Integer({ description: 'Tries in a row that failed.' }),
      failingSince: Time('When the first of them was.'),
    },
    example: { until: exampleTime, failures: 20, failingSince: exampleTime },
  }),
  'endpoint.recovered': stateOf('endpoint.recovered', 'An endpoint that was failing took an event again.', {
    members: { failingSince: Nullable(Time('Since when it had been failing.')) },
    example: { failingSince: exampleTime },
  }),
  'endpoint.secret-rotated': stateOf('endpoint.secret-rotated', 'An endpoint has a new signing secret.', {
    members: {
      secretId: Id('Of the new one.'),
      version: OneOf(['v1', 'v1a'], { description: 'Of the signatures that it makes.' }),
      expiresTime: Nullable(Time('Until when the former secret signs too; null when it ended at once.')),
    },
    example: { secretId: 'whs_01a1ff50919a7ee88951eddf34997d17', version: 'v1', expiresTime: exampleTime },
  }),
  'delivery.exhausted': stateOf('delivery.exhausted', 'An event was tried for the last time, and not taken.', {
    members: {
      deliveryId: Id(),
      event: Type.Object({ id: Id(), type: Type.String() }, { description: 'The one that was not taken.' }),
      attempts: Type.Integer(),
      lastStatus: Nullable(Type.Integer({ description: 'Of the last answer; null when there was none.' })),
      lastError: Nullable(Type.String({ description: 'What went wrong the last time, as a word.' })),
    },
    example: {
      deliveryId: 'dlv_01a1ff50919a7ee88951eddf34997d18',
      event: { id: 'evt_01a1ff50919a7ee88951eddf34997d19', type: 'charge.created' },
      attempts: 10,
      lastStatus: 500,
      lastError: 'status',
    },
  }),
} satisfies Record<string, OwnType>
