import { Id, Nullable, OneOf, Strict, Time, Type, type Static } from '../kernel/index.ts'
import { applicationStatuses, clientStatuses } from './application.ts'
import { Text, Url } from './schemas.ts'

const RateLimit = Nullable(
  Type.Integer({
    minimum: 1,
    maximum: 10_000,
    description: 'Requests per second for its tokens; null for the host’s default.',
  }),
)
const website = Nullable(Url('The application’s home page, http or https.'))
const redirectUri = Nullable(
  Url('Where the consent page returns to: https, or http on a loopback address; no fragment.'),
)
const acknowledges = Type.Boolean({ description: 'See the acknowledgement mode of installations.' })

/** Baloom's DeveloperApplication; `listingStatus` and `acknowledges` are ours. */
export const DeveloperApplicationShape = Type.Object({
  id: Id(),
  organizationId: Id(),
  userId: Nullable(Id()),
  name: Type.String(),
  description: Nullable(Type.String()),
  website: Nullable(Type.String()),
  redirectUri: Nullable(Type.String()),
  status: OneOf(clientStatuses, {
    description:
      'Of the client. A disabled one cannot authenticate: the tokens of its installations end, and none are given until it is ACTIVE again.',
  }),
  listingStatus: OneOf(applicationStatuses, { description: 'Of the listing in the store.' }),
  clientId: Type.String(),
  rateLimit: RateLimit,
  acknowledges,
  createdAt: Time(),
  updatedAt: Time(),
})

/** The only answers in which the client secret is shown. */
export const DeveloperApplicationWithSecret = Type.Object({
  ...DeveloperApplicationShape.properties,
  clientSecret: Type.String(),
})
export type DeveloperApplicationWire = Static<typeof DeveloperApplicationShape>

const optional = {
  description: Type.Optional(Text(20_000)),
  website: Type.Optional(website),
  redirectUri: Type.Optional(redirectUri),
  rateLimit: Type.Optional(RateLimit),
  acknowledges: Type.Optional(acknowledges),
}

export const CreateDeveloperApplicationBody = Strict({ name: Text(100), ...optional })
export const UpdateDeveloperApplicationBody = Strict({
  name: Type.Optional(Text(100)),
  ...optional,
  status: Type.Optional(OneOf(clientStatuses)),
})
