import { Id, Nullable, OneOf, Strict, Time, Type, type Static } from '../kernel/index.ts'
import {
  Changes,
  ClientTypeShape,
  InstallsOn,
  Notes,
  OptionalPermissions,
  Permissions,
  RedirectUris,
  ReleaseMode,
  RequiresPkce,
  Text,
} from './schemas.ts'
import { versionStatuses } from './version.ts'

const Decimal = Nullable(Type.String(), { description: 'Decimal text.' })
const PriceShape = Type.Object({
  meterId: Id(),
  name: Type.String(),
  unit: Type.String(),
  priceType: OneOf(['fixed', 'dynamic', 'package', 'graduated', 'volume', 'percentage']),
  currency: Type.String(),
  text: Type.String({ description: 'All of it in words, for those who pay.' }),
  pricePerUnit: Decimal,
  minPricePerUnit: Decimal,
  maxPricePerUnit: Decimal,
  rateBps: Nullable(Type.Integer(), { description: 'Hundredths of a percent of the amount that comes with a charge.' }),
  package: Nullable(Type.Object({ size: Type.String(), price: Type.String() })),
  tiers: Nullable(Type.Array(Type.Object({ upTo: Decimal, price: Type.String() }))),
  freeUnits: Type.String({ description: 'Of each calendar month. Decimal text.' }),
  dailyLimit: Decimal,
  cycleLimit: Decimal,
})

/** A version as its author sees it. */
export const VersionShape = Type.Object({
  version: Type.Integer(),
  status: OneOf(versionStatuses),
  inForce: Type.Boolean(),
  changes: Changes,
  permissions: Permissions,
  optionalPermissions: OptionalPermissions,
  properties: Nullable(Type.Unsafe<Record<string, unknown>>({ type: 'object' })),
  configurationUrl: Nullable(Type.String()),
  redirectUris: RedirectUris,
  installsOn: InstallsOn,
  clientType: ClientTypeShape,
  requiresPkce: RequiresPkce,
  prices: Nullable(Type.Array(PriceShape), { description: 'As they were when it was submitted; null for a draft.' }),
  release: ReleaseMode,
  notes: Notes(),
  reason: Nullable(Type.String(), { description: 'Why it was rejected or yanked.' }),
  createdBy: Nullable(Id()),
  createdTime: Time(),
  submittedTime: Nullable(Time()),
  decidedTime: Nullable(Time(), { description: 'When it was approved or rejected.' }),
  releasedTime: Nullable(Time()),
  yankedTime: Nullable(Time()),
})
export type VersionWire = Static<typeof VersionShape>

export const YankBody = Strict({ reason: Text(2000, 'For merchants to read.') })

const number = Type.Integer({ minimum: 1, maximum: 1_000_000_000 })
export const ByVersion = Type.Object({ id: Id(), version: number })

const NamedPermission = Type.Object({
  name: Type.String(),
  sentence: Type.String({ description: 'Completes “This application wants to …”.' }),
  risk: OneOf(['low', 'medium', 'high']),
})

/** What releasing a version would change, against what is in force now. */
export const ImpactShape = Type.Object({
  version: Type.Integer(),
  currentVersion: Nullable(Type.Integer(), { description: 'In force now; null before the first release.' }),
  addedPermissions: Type.Array(NamedPermission, { description: 'Required by the version and not now.' }),
  removedPermissions: Type.Array(NamedPermission, { description: 'Required now and not by the version.' }),
  addedOptionalPermissions: Type.Array(NamedPermission, {
    description: 'Optional in the version and not asked for now.',
  }),
  settingsChanged: Type.Boolean({ description: 'Whether the settings schema is another one.' }),
  redirectUrisRemoved: Type.Array(Type.String(), { description: 'Authorizations can not return there any more.' }),
  pricesChanged: Type.Array(
    Type.Object({
      meterId: Id(),
      name: Type.String(),
      from: Nullable(PriceShape, { description: 'When the version in force was submitted; null for a new meter.' }),
      to: Nullable(PriceShape, { description: 'Now; null for a meter that takes no more charges.' }),
    }),
  ),
  installations: Type.Object({
    total: Type.Integer({ description: 'In both environments.' }),
    needApproval: Type.Integer({ description: 'They keep their grant until somebody there approves.' }),
    rollOutByThemselves: Type.Integer(),
  }),
})
export type ImpactWire = Static<typeof ImpactShape>
