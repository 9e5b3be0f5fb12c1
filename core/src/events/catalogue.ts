import { stoaEvents } from '@stoa/sdk/contract'
import { Id, Nullable, Time, Type, type TSchema } from '../kernel/index.ts'
import type { EventTypeDefinition } from './event-types.ts'

/** Our own events: the payload form that Standard Webhooks recommends. Members beyond the schema are allowed. */
const own = (type: string, data: TSchema) => Type.Object({ type: Type.Literal(type), timestamp: Time(), data })

const ApplicationData = Type.Object({
  applicationId: Id(),
  name: Type.String(),
  status: Type.String({ description: 'Status of the listing now.' }),
  reason: Nullable(Type.String()),
  version: Nullable(Type.Integer(), { description: 'Of which version; null when it concerns the listing alone.' }),
  ofRevision: Type.Boolean({
    description: 'Whether it concerns a change of a listing that stays in the store meanwhile.',
  }),
})

const AccessData = Type.Object({
  applicationId: Id(),
  installationId: Id(),
  organizationId: Id('The organization that has it installed.'),
  locationId: Nullable(Id('The location it is installed on.')),
  environment: Type.String(),
  version: Type.Integer({ description: 'The version of your application that this is about.' }),
  previousVersion: Type.Integer({ description: 'The version that the installation was at before.' }),
  permissions: Type.Array(Type.String(), { description: 'What is granted now, as far as you ask for it.' }),
  pending: Type.Array(Type.String(), { description: 'What you require and is not granted.' }),
  approvalUrl: Type.Optional(
    Type.String({ description: 'While access is pending: the page to send the merchant to.' }),
  ),
})

const permissionNames = (description: string) => Type.Array(Type.String(), { description })
const difference = {
  addedPermissions: permissionNames('Canonical names that are required now and were not before.'),
  removedPermissions: permissionNames('Canonical names that are not required any more.'),
}
const ReleasedData = Type.Object({
  applicationId: Id(),
  version: Type.Integer({ description: 'In force now.' }),
  previousVersion: Nullable(Type.Integer(), { description: 'In force before; null at the first release.' }),
  ...difference,
})
const YankedData = Type.Object({
  applicationId: Id(),
  version: Type.Integer({ description: 'The one that was taken back.' }),
  versionInForce: Type.Integer({ description: 'Now.' }),
  reason: Type.String(),
  ...difference,
})
const SecretData = (expires: string) =>
  Type.Object({
    applicationId: Id(),
    secretId: Id(),
    lastFour: Type.String(),
    expiresTime: Nullable(Time(), { description: expires }),
  })

const Decimal = () => Type.String({ pattern: '^-?\\d+(\\.\\d+)?$', description: 'Decimal text.' })
const ChargeData = Type.Object({
  chargeId: Id(),
  applicationId: Id(),
  organizationId: Id(),
  locationId: Id('The location whose wallet it concerns.'),
  environment: Type.String(),
  meterId: Id(),
  eventId: Type.String({ description: 'The application’s own id for what it charged.' }),
  userId: Nullable(Type.String()),
  units: Decimal(),
  pricePerUnit: Decimal(),
  amount: Decimal(),
  currency: Type.String({ pattern: '^[A-Z]{3}$' }),
  eventTime: Time(),
})

/** Every type of event: what it tells, for people, and what its body looks like. */
export const eventCatalogue = {
  'application-instance-enabled': {
    sentence: 'Somebody enabled your application; the body carries a token for the installation.',
    payload: stoaEvents['application-instance-enabled'] as TSchema,
  },
  'application-instance-disabled': {
    sentence: 'Somebody disabled or removed your application.',
    payload: stoaEvents['application-instance-disabled'] as TSchema,
  },
  'installation.updated': {
    sentence: 'An installation was brought to another version of your application, or its permissions changed.',
    payload: own('installation.updated', AccessData),
  },
  'installation.access-pending': {
    sentence: 'The version in force asks for more than an installation granted; its merchant was not asked yet.',
    payload: own('installation.access-pending', AccessData),
  },
  'installation.access-approved': {
    sentence: 'Somebody granted what the version in force asks for.',
    payload: own('installation.access-approved', AccessData),
  },
  'installation.access-refused': {
    sentence: 'Somebody refused what the version in force asks for; the installation stays as it was.',
    payload: own('installation.access-refused', AccessData),
  },
  'application.submitted': {
    sentence: 'Your application was handed in for review.',
    payload: own('application.submitted', ApplicationData),
  },
  'application.approved': {
    sentence: 'Your application was approved and is available in the store.',
    payload: own('application.approved', ApplicationData),
  },
  'application.rejected': {
    sentence: 'The review sent your application back, with a reason.',
    payload: own('application.rejected', ApplicationData),
  },
  'application.disabled': {
    sentence: 'The platform took your application out of the store.',
    payload: own('application.disabled', ApplicationData),
  },
  'application.enabled': {
    sentence: 'The platform put your application back into the store.',
    payload: own('application.enabled', ApplicationData),
  },
  'application.released': {
    sentence: 'A version of your application is in force now.',
    payload: own('application.released', ReleasedData),
  },
  'application.yanked': {
    sentence: 'A version of your application was taken back; an older one is in force if it was the one in force.',
    payload: own('application.yanked', YankedData),
  },
  'application.secret-rotated': {
    sentence: 'Your application has a new client secret; the one before may work on for a while.',
    payload: own(
      'application.secret-rotated',
      SecretData('Until when the secret before works on; null when there was none, or when it ended at once.'),
    ),
  },
  'application.secret-ended': {
    sentence: 'A client secret of your application was ended at once, and with it the tokens obtained with it.',
    payload: own('application.secret-ended', SecretData('When it ended.')),
  },
  'charge.created': {
    sentence: 'Your application charged a wallet.',
    payload: own('charge.created', ChargeData),
  },
  'charge.refunded': {
    sentence: 'A charge of your application was given back.',
    payload: own('charge.refunded', ChargeData),
  },
  'endpoint.disabled': {
    sentence: 'An endpoint was disabled; its events are held.',
    payload: own('endpoint.disabled', Type.Object({})),
  },
  'endpoint.failing': {
    sentence: 'An endpoint failed so often in a row that it is left alone.',
    payload: own('endpoint.failing', Type.Object({})),
  },
  'endpoint.recovered': {
    sentence: 'An endpoint that was failing took an event again.',
    payload: own('endpoint.recovered', Type.Object({})),
  },
  'delivery.exhausted': {
    sentence: 'An event was tried for the last time, and not taken.',
    payload: own('delivery.exhausted', Type.Object({})),
  },
  'endpoint.secret-rotated': {
    sentence: 'One of your webhook endpoints has a new secret or key; the one before may sign too for a while.',
    payload: own(
      'endpoint.secret-rotated',
      Type.Object({
        endpointId: Id(),
        secretId: Id('The new one.'),
        version: Type.String({ description: '`v1` or `v1a`.' }),
        expiresTime: Nullable(Time(), {
          description: 'Until when the one before signs too; null when there was none.',
        }),
      }),
    ),
  },
} satisfies Record<string, { sentence: string; payload: TSchema }>

export type EventType = keyof typeof eventCatalogue

/** The host's own types, for its catalogue. */
export const ownEventTypes: EventTypeDefinition[] = Object.entries(eventCatalogue).map(([type, definition]) => ({
  version: 1,
  example: {},
  audience: ['publisher'],
  permission: null,
  ...definition,
  type,
}))
