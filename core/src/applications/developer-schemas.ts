import { Id, Nullable, OneOf, Strict, Time, Type, type Static } from '../kernel/index.ts'
import { applicationStatuses, clientStatuses } from './application.ts'
import {
  ClientTypeShape,
  InstallsOn,
  OptionalPermissions,
  Permissions,
  RedirectUris,
  RequiresPkce,
  Text,
  Url,
} from './schemas.ts'

const RateLimit = Nullable(
  Type.Integer({
    minimum: 1,
    maximum: 10_000,
    description: 'Requests per second for its tokens; null for the host’s default.',
  }),
)
const website = Nullable(Url('The application’s home page, http or https.'))
const redirectUri = Nullable(
  Url('The first of redirectUris, for clients that know one; send one of the two, not both.'),
)
const RequiresDpop = Type.Boolean({
  description: 'Whether its tokens are always bound to a key of its own (RFC 9449).',
})
const Jwks = Nullable(
  Type.Unsafe<{ keys: Record<string, unknown>[] }>({
    type: 'object',
    description:
      'Public keys for `private_key_jwt` (RFC 7523), as a JSON Web Key Set: at most 10, each with a `kid` of its own, EC on P-256 (ES256) or RSA of 2048 to 8192 bits (RS256, PS256).',
  }),
)
const acknowledges = Type.Boolean({ description: 'See the acknowledgement mode of installations.' })

/** Baloom's DeveloperApplication; what says more about listing, client and version is ours. */
export const DeveloperApplicationShape = Type.Object({
  id: Id(),
  organizationId: Id(),
  userId: Nullable(Id()),
  name: Type.String(),
  description: Nullable(Type.String()),
  website: Nullable(Type.String()),
  permissions: Type.Array(Type.String()),
  optionalPermissions: Type.Array(Type.String()),
  installsOn: InstallsOn,
  redirectUri,
  redirectUris: RedirectUris,
  status: OneOf(clientStatuses, {
    description:
      'Of the client. A disabled one cannot authenticate: the tokens of its installations end, and none are given until it is ACTIVE again.',
  }),
  listingStatus: OneOf(applicationStatuses, { description: 'Of the listing in the store.' }),
  version: Nullable(Type.Integer(), {
    description: 'The number of the version in force; null before the first release.',
  }),
  clientId: Type.String(),
  clientType: ClientTypeShape,
  requiresPkce: RequiresPkce,
  requiresDpop: RequiresDpop,
  jwks: Jwks,
  rateLimit: RateLimit,
  acknowledges,
  createdAt: Time(),
  updatedAt: Time(),
})

/** The only answers in which a client secret is shown. */
export const CreatedDeveloperApplication = Type.Object({
  ...DeveloperApplicationShape.properties,
  clientSecret: Nullable(Type.String(), { description: 'Null for public and native clients, which keep no secret.' }),
})
export const DeveloperApplicationWithSecret = Type.Object({
  ...DeveloperApplicationShape.properties,
  clientSecret: Type.String(),
})
export type DeveloperApplicationWire = Static<typeof DeveloperApplicationShape>

const optional = {
  description: Type.Optional(Text(20_000)),
  website: Type.Optional(website),
  permissions: Type.Optional(Permissions),
  optionalPermissions: Type.Optional(OptionalPermissions),
  installsOn: Type.Optional(InstallsOn),
  redirectUri: Type.Optional(redirectUri),
  redirectUris: Type.Optional(RedirectUris),
  clientType: Type.Optional(ClientTypeShape),
  requiresPkce: Type.Optional(RequiresPkce),
  requiresDpop: Type.Optional(RequiresDpop),
  jwks: Type.Optional(Jwks),
  rateLimit: Type.Optional(RateLimit),
  acknowledges: Type.Optional(acknowledges),
}

export const CreateDeveloperApplicationBody = Strict({ name: Text(100), ...optional })
export const UpdateDeveloperApplicationBody = Strict({
  name: Type.Optional(Text(100)),
  ...optional,
  status: Type.Optional(OneOf(clientStatuses)),
})

export const RotateSecretBody = Strict({
  overlapSeconds: Type.Integer({
    minimum: 0,
    maximum: 604_800,
    default: 86_400,
    description: 'How long the secret before works beside the new one; 0 ends it, and its tokens, at once.',
  }),
})

export const ClientSecretShape = Type.Object({
  id: Id(),
  lastFour: Type.String(),
  createdTime: Time(),
  expiresTime: Nullable(Time(), { description: 'When it ends because another one has replaced it.' }),
  lastUsedTime: Nullable(Time(), { description: 'To the minute.' }),
})
