import { CollectionParameters } from '../database/index.ts'
import { PageQuery } from '../http/index.ts'
import { Id, Nullable, OneOf, Strict, Time, Type, type Static, type TSchema } from '../kernel/index.ts'
import { applicationActions, applicationStatuses, clientTypes, installsOnChoices } from './application.ts'
import { releaseModes } from './version.ts'

/** Text that people write. That it is not blank and has no control characters is said by `checkText`, in words. */
export const Text = (maxLength: number, description?: string) =>
  Type.String({ minLength: 1, maxLength, ...(description && { description }) })
export const Url = (description: string) => Type.String({ minLength: 1, maxLength: 2000, description })
const Anything = (options: object) => Type.Unsafe<Record<string, unknown>>({ type: 'object', ...options })

export const Links = Type.Array(Type.Object({ href: Type.String(), rel: Type.String() }))

const permissionsDescription =
  'What it cannot do without: names or aliases of the permission catalogue (GET /permissions).'
const propertiesDescription = 'JSON Schema (draft 4, 6 or 7) of the settings that users of the application fill in.'
const acknowledgesDescription =
  'Whether an installation stays `enabling` until the application’s endpoint has answered the enabled event with 2xx.'

const names = (description: string) =>
  Type.Array(Type.String({ minLength: 1, maxLength: 100 }), { maxItems: 200, description })
const Permissions = names(permissionsDescription)
const OptionalPermissions = names('What merchants may leave out, or grant later; none that is required.')
const InstallsOn = OneOf(installsOnChoices, {
  description: 'What it is installed on; with `any` the merchant chooses.',
})
const ClientTypeShape = OneOf(clientTypes, {
  description:
    'RFC 6749 section 2.1. `public` (in a browser) and `native` (on a device; RFC 8252) keep no secret, so that none is made for them.',
})
const RequiresPkce = Type.Boolean({
  description: 'False only for a confidential client that cannot do PKCE (RFC 7636); reviewers see it.',
})
const RedirectUris = Type.Array(
  Url(
    'Where an authorization may return to, compared character by character: https, or http on a loopback address; for native clients also a scheme of their own with a dot.',
  ),
  { maxItems: 20, uniqueItems: true },
)
const ReleaseMode = OneOf(releaseModes, {
  description: 'Whether the approval releases the version, or its author does afterwards.',
})
const Notes = (options: object = {}) => Nullable(Text(2000, 'What is new, for merchants.'), options)
// An array, too: PHP writes an empty object as `[]`. What is wrong with it is said by the vetting, place by place.
const Properties = Type.Unsafe<unknown>({ type: ['object', 'array', 'null'], description: propertiesDescription })

export { ClientTypeShape, InstallsOn, Notes, OptionalPermissions, Permissions, RedirectUris, ReleaseMode, RequiresPkce }
export const Changes = Anything({ description: 'The reviewed members that would change.' })

const Revision = Type.Object({
  version: Type.Integer(),
  changes: Changes,
  submittedTime: Time(),
  release: ReleaseMode,
  notes: Notes(),
})

/**
 * An application as Rebilly shows it; what installs on what, optional permissions, `acknowledges`, `statusReason`, two states and
 * what only its publisher and reviewers see are ours.
 */
export const ApplicationShape = Type.Object({
  id: Id(),
  name: Type.String(),
  logoId: Type.Optional(Id('Of a file; absent from a draft that has none yet.')),
  authorName: Type.Optional(Type.String()),
  authorLogoId: Nullable(Id()),
  tagline: Type.Optional(Type.String()),
  description: Type.Optional(Type.String()),
  status: OneOf(applicationStatuses),
  statusReason: Type.Optional(Type.String({ description: 'Why it was rejected or disabled.' })),
  permissions: Type.Array(Type.String()),
  optionalPermissions: Type.Array(Type.String()),
  installsOn: InstallsOn,
  configurationUrl: Nullable(Type.String()),
  configuredBy: OneOf(['user', 'application']),
  properties: Type.Optional(Anything({ description: propertiesDescription })),
  acknowledges: Type.Boolean({ description: acknowledgesDescription }),
  redirectUris: Type.Optional(RedirectUris),
  clientType: Type.Optional(ClientTypeShape),
  requiresPkce: Type.Optional(RequiresPkce),
  revision: Type.Optional(Revision),
  createdTime: Time(),
  updatedTime: Time(),
  _links: Links,
  _embedded: Type.Optional(Type.Object({ applicationInstance: Type.Optional(Anything({})) })),
})
export type ApplicationWire = Static<typeof ApplicationShape>

/** Members that Rebilly's SDKs read and send back: taken and ignored. */
const readOnly = Object.fromEntries(
  ['id', 'status', 'statusReason', 'configuredBy', 'revision', 'createdTime', 'updatedTime', '_links', '_embedded'].map(
    (member) => [member, Type.Optional(Type.Unknown({ readOnly: true }))],
  ),
) as Record<string, TSchema>

const listing = {
  name: Text(100, 'Unique among the publisher’s applications, whatever the case.'),
  logoId: Id('Of a file of the same organization; see POST /files.'),
  authorName: Text(100),
  tagline: Text(200),
  description: Text(20_000, 'Markdown or plain text.'),
  permissions: Permissions,
}
const extras = {
  authorLogoId: Type.Optional(Nullable(Id())),
  configurationUrl: Type.Optional(
    Nullable(Url('The application’s own settings page: https, or http on a loopback address.')),
  ),
  properties: Type.Optional(Properties),
  optionalPermissions: Type.Optional(OptionalPermissions),
  installsOn: Type.Optional(InstallsOn),
  redirectUris: Type.Optional(RedirectUris),
  clientType: Type.Optional(ClientTypeShape),
  requiresPkce: Type.Optional(RequiresPkce),
  acknowledges: Type.Optional(Type.Boolean({ default: false, description: acknowledgesDescription })),
}

const PostBodySchema = Strict({ ...listing, ...extras })
export type PostApplicationBody = Static<typeof PostBodySchema>
export const PostApplicationBody = Type.Unsafe<PostApplicationBody>(Strict({ ...readOnly, ...listing, ...extras }))

const PatchBodySchema = Type.Partial(
  // Without the default: what a PATCH does not say stays as it is.
  Type.Object({ ...listing, ...extras, acknowledges: Type.Boolean({ description: acknowledgesDescription }) }),
)
export type PatchApplicationBody = Static<typeof PatchBodySchema>
export const PatchApplicationBody = Type.Unsafe<PatchApplicationBody>(
  Strict({ ...readOnly, ...PatchBodySchema.properties }),
)

/** The members of a body that count. */
export function writable(body: PatchApplicationBody): PatchApplicationBody {
  const known = Object.entries(body).filter(([member]) => Object.hasOwn(PatchBodySchema.properties, member))
  return Object.fromEntries(known) as PatchApplicationBody
}

/** What is reviewed, and how and as what it is released: of a version, and of the step that submits. */
export const VersionBody = Strict({
  permissions: Type.Optional(Permissions),
  optionalPermissions: Type.Optional(OptionalPermissions),
  properties: Type.Optional(Properties),
  configurationUrl: extras.configurationUrl,
  redirectUri: Type.Optional(Nullable(Url('The first and only one of redirectUris.'))),
  redirectUris: extras.redirectUris,
  installsOn: extras.installsOn,
  clientType: extras.clientType,
  requiresPkce: extras.requiresPkce,
  release: Type.Optional(ReleaseMode),
  notes: Type.Optional(Notes()),
})

const Reason = Text(2000, 'For the publisher to read.')
export const ReasonBody = Strict({ reason: Reason })
export const OptionalReasonBody = Strict({ reason: Type.Optional(Reason) })
const version = {
  updatedTime: Type.Optional(
    Time(
      '`updatedTime` of the application that was judged, or `submittedTime` of its revision; refused if it changed since.',
    ),
  ),
}
export const ApproveBody = Strict({ reason: Type.Optional(Reason), ...version })
export const RejectBody = Strict({ reason: Reason, ...version })

export const ApplicationCollectionQuery = Type.Object({ ...PageQuery, ...CollectionParameters })
export const ApplicationQuery = Type.Object({ expand: CollectionParameters.expand })

export const HistoryShape = Type.Object({
  id: Id(),
  action: OneOf(applicationActions),
  from: Nullable(OneOf(applicationStatuses)),
  to: OneOf(applicationStatuses),
  reason: Nullable(Type.String()),
  version: Nullable(Type.Integer({ description: 'Of which version.' })),
  secretId: Nullable(Id('Of which client secret.')),
  actor: Type.Object({
    kind: OneOf(['user', 'api-key', 'application', 'operator'], {
      description: 'To a publisher the platform’s own people are `operator`, without ids.',
    }),
    id: Nullable(Type.String({ description: 'The person, or the credential when no person stands behind it.' })),
    organizationId: Nullable(Id()),
  }),
  time: Time(),
})

export const FileShape = Type.Object({
  id: Id(),
  name: Type.String(),
  extension: Type.String(),
  mime: OneOf(['image/png', 'image/jpeg', 'image/webp']),
  size: Type.Integer({ description: 'Bytes.' }),
  width: Type.Integer({ description: 'Pixels.' }),
  height: Type.Integer({ description: 'Pixels.' }),
  sha256: Type.String(),
  createdTime: Time(),
  updatedTime: Time(),
  _links: Links,
})

export const ById = Type.Object({ id: Id() })
