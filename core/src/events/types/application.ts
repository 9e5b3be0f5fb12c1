import { Id, Nullable, Time, Type } from '../../kernel/index.ts'
import { exampleIds, exampleTime, ownType, type OwnType } from './own-type.ts'

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
const listing = {
  applicationId: exampleIds.application,
  name: 'Weather',
  status: 'available',
  reason: null,
  version: null,
  ofRevision: false,
}

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
const secret = {
  applicationId: exampleIds.application,
  secretId: 'sec_01a1ff50919a7ee88951eddf34997d13',
  lastFour: 'x7Qd',
  expiresTime: exampleTime,
}

const audience = ['publisher'] as const

export const applicationTypes = {
  'application.submitted': ownType('application.submitted', {
    sentence: 'Your application was handed in for review.',
    data: ApplicationData,
    example: { ...listing, status: 'pending-approval', version: 1 },
    audience,
  }),
  'application.approved': ownType('application.approved', {
    sentence: 'Your application was approved and is available in the store.',
    data: ApplicationData,
    example: { ...listing, version: 1 },
    audience,
  }),
  'application.rejected': ownType('application.rejected', {
    sentence: 'The review sent your application back, with a reason.',
    data: ApplicationData,
    example: { ...listing, status: 'rejected', reason: 'The description is empty.', version: 1 },
    audience,
  }),
  'application.disabled': ownType('application.disabled', {
    sentence: 'The platform took your application out of the store.',
    data: ApplicationData,
    example: { ...listing, status: 'disabled', reason: 'Reported by merchants.' },
    audience,
  }),
  'application.enabled': ownType('application.enabled', {
    sentence: 'The platform put your application back into the store.',
    data: ApplicationData,
    example: listing,
    audience,
  }),
  'application.released': ownType('application.released', {
    sentence: 'A version of your application is in force now.',
    data: ReleasedData,
    example: {
      applicationId: exampleIds.application,
      version: 2,
      previousVersion: 1,
      addedPermissions: ['customers:index'],
      removedPermissions: [],
    },
    audience,
  }),
  'application.yanked': ownType('application.yanked', {
    sentence: 'A version of your application was taken back; an older one is in force if it was the one in force.',
    data: YankedData,
    example: {
      applicationId: exampleIds.application,
      version: 2,
      versionInForce: 1,
      reason: 'It asks for too much.',
      addedPermissions: [],
      removedPermissions: ['customers:index'],
    },
    audience,
  }),
  'application.secret-rotated': ownType('application.secret-rotated', {
    sentence: 'Your application has a new client secret; the one before may work on for a while.',
    data: SecretData('Until when the secret before works on; null when there was none, or when it ended at once.'),
    example: secret,
    audience,
  }),
  'application.secret-ended': ownType('application.secret-ended', {
    sentence: 'A client secret of your application was ended at once, and with it the tokens obtained with it.',
    data: SecretData('When it ended.'),
    example: secret,
    audience,
  }),
} satisfies Record<string, OwnType>
