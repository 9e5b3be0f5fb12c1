import { Id, Nullable, OneOf, Strict, Time, Type, type Static } from '../kernel/index.ts'
import { environments } from '../context.ts'
import { actorKinds } from './history.ts'
import { statuses } from './installation.ts'

export const Link = Type.Object({ rel: Type.String(), href: Type.String() })
export type LinkShape = Static<typeof Link>

const Settings = Type.Record(Type.String(), Type.Unknown(), {
  description: 'Typed as the application’s settings schema says. Secrets are masked: `{"set": true, "last4": "…"}`.',
})

const instanceMembers = {
  applicationId: Id(),
  locationId: Type.Optional(Id('The location it is installed on; absent when that is the organization.')),
  environment: OneOf(environments),
  status: OneOf(statuses),
  statusReason: Type.Optional(Type.String({ description: 'Why it is not enabled.' })),
  problem: Type.Optional(
    Type.Object(
      { code: OneOf(['not_acknowledged', 'nobody_subscribed']), message: Type.String(), since: Time() },
      { description: 'Why it stays `enabling`. PUT the instance to try again.' },
    ),
  ),
  version: Type.Integer({ description: 'The version of the application that it was last brought to.' }),
  permissions: Type.Array(Type.String(), { description: 'What was granted: canonical names, see GET /permissions.' }),
  pendingAccess: Type.Optional(
    Type.Literal(true, {
      description: 'The version in force asks for more than was granted; see `/access`. Absent when nothing waits.',
    }),
  ),
  isConfigured: Type.Boolean({ description: 'Whether no setting is missing.' }),
  settings: Settings,
  createdTime: Time(),
  updatedTime: Time(),
  _links: Type.Array(Link),
}

export const ApplicationInstance = Type.Object(instanceMembers)
export type InstanceShape = Static<typeof ApplicationInstance>
export const OwnerApplicationInstance = Type.Object({
  organizationId: Id('The organization that installed it.'),
  ...instanceMembers,
  token: Type.Optional(
    Type.String({
      description: 'A fresh token for this installation; in lists, and where the installation may have none, absent.',
    }),
  ),
})

export type OwnerInstanceShape = Static<typeof OwnerApplicationInstance>

const Ignored = Type.Optional(Type.Unknown({ readOnly: true, description: 'Read-only; ignored.' }))

const OptionalPermissions = Type.Array(Type.String({ minLength: 1, maxLength: 200 }), {
  maxItems: 500,
  description:
    'Those of the application’s optional permissions to grant, by names or aliases; none when absent. What it requires is granted in any case.',
})

/** What SDKs send back of what they read is ignored, so that reading and putting back is no error. */
export const InstanceBody = Strict({
  settings: Type.Optional(
    Type.Unsafe<object | null>({
      type: ['object', 'array', 'null'],
      description: 'Settings to install with, as in a PUT of the configuration; empty ones change nothing.',
    }),
  ),
  optionalPermissions: Type.Optional(OptionalPermissions),
  planId: Type.Optional(
    Nullable(Id('The plan to install with, see `/plans`. When absent, the free one where there is one.')),
  ),
  id: Ignored,
  applicationId: Ignored,
  organizationId: Ignored,
  locationId: Ignored,
  environment: Ignored,
  status: Ignored,
  statusReason: Ignored,
  problem: Ignored,
  version: Ignored,
  permissions: Ignored,
  pendingAccess: Ignored,
  isConfigured: Ignored,
  token: Ignored,
  createdTime: Ignored,
  updatedTime: Ignored,
  _links: Ignored,
  _embedded: Ignored,
})

export const Configuration = Type.Object({ settings: Settings, _links: Type.Array(Link) })
export const ConfigurationBody = Strict({
  settings: Type.Unsafe<object>({
    type: ['object', 'array'],
    description:
      'The whole settings; an empty list is taken for an empty object. A secret that is absent, or sent back masked, keeps its value; null clears it.',
  }),
  _links: Ignored,
  _embedded: Ignored,
})

export const ReasonBody = Strict({
  reason: Type.Optional(Type.String({ minLength: 1, maxLength: 500, description: 'Shown to the merchant.' })),
})

export const HistoryStep = Type.Object({
  actor: Type.Object({ type: OneOf(actorKinds), id: Nullable(Type.String()) }),
  from: Nullable(OneOf(statuses)),
  to: OneOf(statuses),
  reason: Nullable(Type.String()),
  time: Time(),
})

export const UninstallBody = Strict({
  companyId: Type.Optional(Id('The organization. Uninstalls there and in all of its locations.')),
  locationId: Type.Optional(Id('The one location to uninstall from.')),
  reason: Type.Optional(
    Type.String({ maxLength: 500, description: 'Required from the developer; shown to the merchant.' }),
  ),
})

export const InstallerDetails = Type.Object({
  installationDetails: Type.Object({
    companyId: Id(),
    locationId: Type.Optional(Id()),
    companyName: Type.String(),
    relationshipNumber: Type.String(),
    companyEmail: Nullable(Type.String()),
    companyOwnerFullName: Nullable(Type.String()),
    userId: Type.String(),
    isWhitelabelCompany: Type.Boolean(),
    companyPlan: Nullable(Type.String()),
    companyHighLevelPlan: Nullable(Type.String()),
    marketplaceAppPlanId: Type.Optional(Id('The plan of the application; absent where it is installed without one.')),
  }),
})

const AskedPermission = {
  name: Type.String(),
  sentence: Type.String({ description: 'Completes “This application wants to …”.' }),
  risk: OneOf(['low', 'medium', 'high']),
}

export const Access = Type.Object({
  version: Type.Integer({ description: 'The version in force, which asks. Send it back with the answer.' }),
  installedVersion: Type.Integer({ description: 'The version the installation was last brought to.' }),
  status: OneOf(['complete', 'pending', 'refused']),
  granted: Type.Array(Type.Object(AskedPermission), { description: 'Granted, and still asked for.' }),
  pending: Type.Array(Type.Object(AskedPermission), { description: 'Required, and not granted.' }),
  optional: Type.Array(Type.Object({ ...AskedPermission, granted: Type.Boolean() })),
  approvalUrl: Type.Optional(Type.String({ description: 'While it is pending: the page on which a person decides.' })),
})

const ShownVersion = Type.Integer({
  minimum: 0,
  description: 'The `version` that was read and decided about; 409 when another one is in force by now.',
})

export const ApproveBody = Strict({
  version: ShownVersion,
  optionalPermissions: Type.Optional(OptionalPermissions),
})

export const RefuseBody = Strict({
  version: ShownVersion,
  reason: Type.Optional(Type.String({ minLength: 1, maxLength: 500, description: 'Kept in the history.' })),
})

export const OptionalBody = Strict({ optionalPermissions: OptionalPermissions })
