import { environments } from '../context.ts'
import { Id, Nullable, OneOf, Strict, Time, Type, type Static } from '../kernel/index.ts'
import { eventFilterPattern } from './event-filter.ts'
import { endpointFormats, highLevelSignatureHeader } from './highlevel.ts'

const Url = Type.String({ minLength: 1, maxLength: 2048, description: 'Where the events are sent, by POST.' })
const Events = Type.Array(Type.String({ pattern: eventFilterPattern, maxLength: 100 }), {
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
    '`standard`: bodies as the event catalogue describes them. `highlevel`: INSTALL, UNINSTALL and UPDATE as HighLevel’s ' +
    'marketplace sends them, signed with its header too; events it does not know are not sent. A change concerns what ' +
    'happens from then on.',
})
const readOnly = { readOnly: true }

export const EndpointShape = Type.Object({
  id: Id(),
  organizationId: Id(),
  applicationId: Nullable(Id('Receives the events of this application alone; null: of all your applications.')),
  url: Type.String(),
  events: Type.Array(Type.String()),
  description: Nullable(Type.String()),
  format: Format,
  status: Status,
  statusReason: Nullable(Type.String({ description: 'Why the endpoint is disabled, when it was not you.' })),
  environment: OneOf(environments),
  createdTime: Time(),
  updatedTime: Time(),
})

/** The answer to creating an endpoint: the only time the secret is shown. */
export const CreatedEndpointShape = Type.Object({
  ...EndpointShape.properties,
  secret: Type.String({ description: 'Verifies the signatures, as Standard Webhooks says. Shown this once.' }),
})

export const CreateEndpointBody = Strict({
  url: Url,
  events: Events,
  description: Type.Optional(Nullable(Description)),
  format: Type.Optional(Format),
  applicationId: Type.Optional(Nullable(Id('One of your applications, to receive its events alone.'))),
  status: Type.Optional(Status),
})
export type CreateEndpoint = Static<typeof CreateEndpointBody>

/** What the host alone sets may be sent back, and is ignored. */
export const UpdateEndpointBody = Strict({
  url: Type.Optional(Url),
  events: Type.Optional(Events),
  description: Type.Optional(Nullable(Description)),
  format: Type.Optional(Format),
  status: Type.Optional(Status),
  id: Type.Optional(Type.Unknown(readOnly)),
  organizationId: Type.Optional(Type.Unknown(readOnly)),
  applicationId: Type.Optional(Type.Unknown(readOnly)),
  statusReason: Type.Optional(Type.Unknown(readOnly)),
  environment: Type.Optional(Type.Unknown(readOnly)),
  createdTime: Type.Optional(Type.Unknown(readOnly)),
  updatedTime: Type.Optional(Type.Unknown(readOnly)),
})
export type UpdateEndpoint = Static<typeof UpdateEndpointBody>

export const PublicKeyShape = Type.Object({
  algorithm: OneOf(['Ed25519']),
  publicKey: Type.String({ description: 'SubjectPublicKeyInfo (RFC 8410), base64: what HighLevel’s SDK takes.' }),
  pem: Type.String({ description: 'The same as PEM.' }),
  header: OneOf([highLevelSignatureHeader], { description: 'Carries the signature: base64, over the raw body.' }),
})
