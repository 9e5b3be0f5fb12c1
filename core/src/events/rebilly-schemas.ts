import { CollectionParameters } from '../database/index.ts'
import { PageQuery } from '../http/index.ts'
import { Id, Nullable, OneOf, Strict, Time, Type, type Static } from '../kernel/index.ts'
import { BodyTemplate, EventFilter, Headers, HeadersShape, Method, Url } from './schemas.ts'

const Status = OneOf(['active', 'inactive'])
const Links = Type.Array(Type.Object({ rel: Type.String(), href: Type.String() }))
const Ignored = Type.Optional(Type.Unknown({ readOnly: true }))
const { filter, sort, q } = CollectionParameters
export const RebillyCollectionQuery = Type.Object({ ...PageQuery, filter, sort, q })

export const WebhookShape = Type.Object({
  id: Id(),
  eventsFilter: Type.Array(Type.String(), { description: 'Empty for all.' }),
  status: Status,
  method: Method,
  url: Type.String(),
  headers: HeadersShape,
  credentialHash: Nullable(Id('Of the service credential.')),
  body: BodyTemplate,
  filter: Type.Null(),
  createdTime: Time(),
  updatedTime: Time(),
  _links: Links,
})
export const CreatedWebhookShape = Type.Object({
  ...WebhookShape.properties,
  secret: Type.String({
    description: 'Not Rebilly’s: verifies the signatures, as Standard Webhooks says. Shown this once.',
  }),
})

export const WebhookBody = Strict({
  eventsFilter: Type.Optional(
    Type.Array(EventFilter, { maxItems: 50, uniqueItems: true, description: 'Event types; empty for all.' }),
  ),
  status: Type.Optional(Status),
  method: Type.Optional(Method),
  url: Url,
  headers: Type.Optional(Headers),
  credentialHash: Type.Optional(
    Nullable(Id(), { description: 'Of POST /service-credentials/webhook; for the host of `url`.' }),
  ),
  body: Type.Optional(BodyTemplate),
  filter: Type.Optional(Type.Unknown({ description: 'Null: there is no filter but that of event types.' })),
  id: Ignored,
  secret: Ignored,
  createdTime: Ignored,
  updatedTime: Ignored,
  _links: Ignored,
})
export type WebhookBody = Static<typeof WebhookBody>

const AuthType = OneOf(['none', 'basic', 'digest'])
const Auth = Strict({
  type: AuthType,
  // What cannot be sent in a header is no user name: control characters (RFC 7617 section 2).
  username: Type.Optional(Type.String({ minLength: 1, maxLength: 200, pattern: '^[^\\x00-\\x1f\\x7f]*$' })),
  password: Type.Optional(Type.String({ maxLength: 200, pattern: '^[^\\x00-\\x1f\\x7f]*$' })),
})
const Host = Type.String({
  minLength: 1,
  maxLength: 300,
  description: 'The host that is shown the credential; one with a port is for that port alone.',
})

export const CredentialShape = Type.Object({
  id: Id(),
  type: OneOf(['webhook']),
  host: Type.String(),
  auth: Type.Object({
    type: AuthType,
    username: Type.Optional(Type.String()),
  }),
  status: Status,
  createdTime: Time(),
  updatedTime: Time(),
  _links: Links,
})

const ignoredOfCredential = {
  id: Ignored,
  type: Ignored,
  createdTime: Ignored,
  updatedTime: Ignored,
  _links: Ignored,
}
export const CreateCredentialBody = Strict({
  host: Host,
  auth: Auth,
  status: Type.Optional(Status),
  ...ignoredOfCredential,
})
export const ChangeCredentialBody = Strict({
  host: Type.Optional(Host),
  auth: Type.Optional(Auth),
  status: Type.Optional(Status),
  ...ignoredOfCredential,
})
