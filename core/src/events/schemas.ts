import { environments } from '../context.ts'
import { Id, Nullable, OneOf, Strict, Time, Type, type Static } from '../kernel/index.ts'
import { headerNamePattern, headerValuePattern, masked, mostHeaders } from './endpoint-headers.ts'
import { eventFilterPattern } from './event-filter.ts'
import { endpointFormats, highLevelSignatureHeader } from './highlevel.ts'

export const Url = Type.String({ minLength: 1, maxLength: 2048, description: 'Where the events are sent.' })
export const EventFilter = Type.String({ pattern: eventFilterPattern, maxLength: 100 })
const Events = Type.Array(EventFilter, {
  minItems: 1,
  maxItems: 50,
  uniqueItems: true,
  description: 'Event types; `*` stands for any part of one: `charge.*`, or `*` for all, those of later versions too.',
})
const Description = Type.String({ maxLength: 500 })
const Status = OneOf(['ACTIVE', 'DISABLED'], {
  description: 'A disabled endpoint is sent nothing; its events are held until it is active again.',
})
export const Format = OneOf(endpointFormats, {
  description:
    '`standard`: bodies as the event catalogue describes them. `rebilly`: with `organizationId` and `eventType` outside. ' +
    '`highlevel`: INSTALL, UNINSTALL and UPDATE as HighLevel’s ' +
    'marketplace sends them, signed with its header too; events it does not know are not sent. A change concerns what ' +
    'happens from then on.',
})
const HeaderStatus = OneOf(['active', 'inactive'], { description: 'An inactive header is kept and not sent.' })
export const Headers = Type.Array(
  Strict({
    name: Type.String({ pattern: headerNamePattern, maxLength: 100 }),
    value: Type.String({
      pattern: headerValuePattern,
      maxLength: 1000,
      description: `Kept sealed and shown as \`${masked}\`; that sent back keeps the stored value.`,
    }),
    status: Type.Optional(HeaderStatus),
  }),
  {
    maxItems: mostHeaders,
    description:
      'Sent with every event. Names that the host sets itself are refused: webhook-*, content-*, host and so on.',
  },
)
export const HeadersShape = Type.Array(Type.Object({ name: Type.String(), value: Type.String(), status: HeaderStatus }))
export const Method = OneOf(['GET', 'POST', 'PUT', 'PATCH', 'DELETE'], {
  description: 'GET and DELETE are sent without a body; the signature is over the empty one.',
})
const SigningVersions = OneOf(['v1', 'v1a'])
const Signing = Type.Array(SigningVersions, {
  minItems: 1,
  maxItems: 2,
  uniqueItems: true,
  description:
    'How it is signed (Standard Webhooks 1.0). `v1`: by a shared secret. `v1a`: Ed25519; verified by `publicKey`.',
})
export const BodyTemplate = Nullable(Type.String({ minLength: 1, maxLength: 16_384 }), {
  description:
    'JSON to be sent in place of the format’s body. `{{data.amount}}` stands for a member of that body; for nothing where there is none.',
})
const Limit = (minimum: number, maximum: number, description: string) =>
  Nullable(Type.Integer({ minimum, maximum }), { description })
const RateLimit = Limit(1, 1000, 'Deliveries per second; null for as many as it keeps up with.')
const Concurrency = Limit(1, 256, 'Deliveries under way at once; null for as many as it keeps up with.')
const Timeout = Limit(1000, 30_000, 'Total deadline of one try; null for that of the host.')
const Fifo = Type.Boolean({
  description: 'One at a time, in the order in which they were published: while one fails, the others wait.',
})
const CredentialId = Nullable(Id(), {
  description: 'Of POST /service-credentials/webhook: a user name and a password to show to this host.',
})
const readOnly = { readOnly: true }

const HealthShape = Type.Object({
  breaker: OneOf(['closed', 'open'], {
    description:
      '`open`: nothing is sent until `breakerUntil`, after too many failures in a row; then one try decides.',
  }),
  breakerUntil: Nullable(Time()),
  failures: Type.Integer({ description: 'Failed tries since the last one that succeeded.' }),
  failingSince: Nullable(Time()),
})

export const EndpointShape = Type.Object({
  id: Id(),
  organizationId: Id(),
  applicationId: Nullable(Id('Receives the events of this application alone; null: of all your applications.')),
  installationId: Nullable(Id('Of the installed application that made it; null: you did.')),
  transport: OneOf(['http', 'stream'], {
    description: '`stream`: read from a connection that its owner opened (`stoa listen`), not posted to an address.',
  }),
  url: Type.String(),
  method: Method,
  events: Type.Array(Type.String()),
  description: Nullable(Type.String()),
  format: Format,
  signing: Type.Array(SigningVersions),
  publicKey: Nullable(Type.String({ description: 'Verifies v1a: `whpk_` and the base64 of the key.' })),
  headers: HeadersShape,
  bodyTemplate: BodyTemplate,
  credentialId: Nullable(Id()),
  fifo: Fifo,
  rateLimit: RateLimit,
  concurrency: Concurrency,
  timeoutMilliseconds: Timeout,
  status: Status,
  statusCause: Nullable(
    OneOf(['owner', 'gone', 'asked', 'failing'], {
      description:
        'Who turned it off: you, the receiver by 410 or by the header webhook-delivery, or days without a success.',
    }),
  ),
  statusReason: Nullable(Type.String({ description: 'Why the endpoint is disabled, when it was not you.' })),
  health: HealthShape,
  environment: OneOf(environments),
  createdTime: Time(),
  updatedTime: Time(),
})

/** The answer to creating an endpoint: the only time the secret is shown. */
export const CreatedEndpointShape = Type.Object({
  ...EndpointShape.properties,
  secret: Type.String({ description: 'Verifies the signatures, as Standard Webhooks says. Shown this once.' }),
})

const OwnSecret = Type.String({
  maxLength: 100,
  description: '`whsec_` and the base64 of 24 to 64 random bytes; when absent, one is made.',
})

const options = {
  method: Type.Optional(Method),
  description: Type.Optional(Nullable(Description)),
  format: Type.Optional(Format),
  signing: Type.Optional(Signing),
  headers: Type.Optional(Headers),
  bodyTemplate: Type.Optional(BodyTemplate),
  credentialId: Type.Optional(CredentialId),
  fifo: Type.Optional(Fifo),
  rateLimit: Type.Optional(RateLimit),
  concurrency: Type.Optional(Concurrency),
  timeoutMilliseconds: Type.Optional(Timeout),
  status: Type.Optional(Status),
}

export const CreateEndpointBody = Strict({
  url: Url,
  events: Events,
  applicationId: Type.Optional(Nullable(Id('One of your applications, to receive its events alone.'))),
  secret: Type.Optional(OwnSecret),
  ...options,
})
export type CreateEndpoint = Static<typeof CreateEndpointBody>

const Changes = { url: Type.Optional(Url), events: Type.Optional(Events), ...options }
const ChangesBody = Strict(Changes)
export type UpdateEndpoint = Static<typeof ChangesBody>
export const changeable = Object.keys(Changes) as (keyof UpdateEndpoint)[]

/** What the host alone sets may be sent back, and is ignored. */
export const UpdateEndpointBody = Strict({
  ...Changes,
  id: Type.Optional(Type.Unknown(readOnly)),
  organizationId: Type.Optional(Type.Unknown(readOnly)),
  applicationId: Type.Optional(Type.Unknown(readOnly)),
  installationId: Type.Optional(Type.Unknown(readOnly)),
  publicKey: Type.Optional(Type.Unknown(readOnly)),
  statusCause: Type.Optional(Type.Unknown(readOnly)),
  statusReason: Type.Optional(Type.Unknown(readOnly)),
  transport: Type.Optional(Type.Unknown(readOnly)),
  health: Type.Optional(Type.Unknown(readOnly)),
  environment: Type.Optional(Type.Unknown(readOnly)),
  createdTime: Type.Optional(Type.Unknown(readOnly)),
  updatedTime: Type.Optional(Type.Unknown(readOnly)),
})

export const RotateSecretBody = Strict({
  version: Type.Optional(SigningVersions),
  secret: Type.Optional(OwnSecret),
  overlapSeconds: Type.Optional(
    Type.Integer({
      minimum: 0,
      maximum: 604_800,
      description:
        'How long the former one signs too; 0 ends all former ones at once. By default as the host is configured.',
    }),
  ),
})
export type RotateSecret = Static<typeof RotateSecretBody>

export const SecretShape = Type.Object({
  id: Id(),
  version: SigningVersions,
  lastFour: Nullable(Type.String({ description: 'Of a v1 secret: its last characters.' })),
  publicKey: Nullable(Type.String({ description: 'Of v1a.' })),
  createdTime: Time(),
  expiresTime: Nullable(Time('When it stops signing; null for the newest, which does not.')),
})

/** The answer to a rotation: the only time the secret is shown. */
export const RotatedSecretShape = Type.Object({
  ...SecretShape.properties,
  secret: Nullable(Type.String({ description: 'Of v1; shown this once. Null of v1a, which has a public key.' })),
  formerExpiresTime: Nullable(Time('Until when the former one signs too; null when there was none.')),
})

export const PublicKeyShape = Type.Object({
  algorithm: OneOf(['Ed25519']),
  publicKey: Type.String({ description: 'SubjectPublicKeyInfo (RFC 8410), base64: what HighLevel’s SDK takes.' }),
  pem: Type.String({ description: 'The same as PEM.' }),
  header: OneOf([highLevelSignatureHeader], { description: 'Carries the signature: base64, over the raw body.' }),
})
