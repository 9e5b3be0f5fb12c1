import { Id, Nullable, OneOf, Type } from '../../kernel/index.ts'
import { exampleBase, exampleIds, examplePlace, ownType, placeMembers, type OwnType } from './own-type.ts'

const AccessData = Type.Object({
  ...placeMembers,
  installationId: Id(),
  version: Type.Integer({ description: 'The version of the application that this is about.' }),
  previousVersion: Type.Integer({ description: 'The version that the installation was at before.' }),
  permissions: Type.Array(Type.String(), {
    description: 'What is granted now, as far as the application asks for it.',
  }),
  pending: Type.Array(Type.String(), { description: 'What the application requires and is not granted.' }),
  approvalUrl: Type.Optional(
    Type.String({ description: 'While access is pending: the page on which the merchant decides.' }),
  ),
})
const access = {
  ...examplePlace,
  installationId: exampleIds.installation,
  version: 2,
  previousVersion: 1,
  permissions: ['charges:write'],
  pending: [],
}
const pending = { ...access, pending: ['customers:index'] }

const PlanChangedData = Type.Object({
  ...placeMembers,
  userId: Type.Optional(Nullable(Id('Who changed it.'))),
  currentPlanId: Nullable(Id('The plan until now; null when there was none.')),
  newPlanId: Nullable(Id('The plan from now on; null when there is none any more.')),
})
const ExternalAuthData = Type.Object({
  ...placeMembers,
  authType: OneOf(['oauth2', 'basic']),
  scopes: Type.Optional(Type.String({ description: 'Of oauth2: what was granted over there.' })),
  isAutoRefreshTokenEnabled: Type.Optional(
    Type.Boolean({ description: 'Of oauth2: whether the platform renews the connection by itself.' }),
  ),
})

const both = ['publisher', 'organization'] as const

/** Nothing in them is known to only one of the two: no token, no settings, no person’s name. */
export const installationTypes = {
  'installation.updated': ownType('installation.updated', {
    sentence: 'An installation was brought to another version of the application, or its permissions changed.',
    data: AccessData,
    example: access,
    audience: both,
  }),
  'installation.access-pending': ownType('installation.access-pending', {
    sentence: 'The version in force asks for more than an installation granted; its merchant was not asked yet.',
    data: AccessData,
    example: { ...pending, approvalUrl: `${exampleBase}/oauth/access/${exampleIds.installation}` },
    audience: both,
  }),
  'installation.access-approved': ownType('installation.access-approved', {
    sentence: 'Somebody granted what the version in force asks for.',
    data: AccessData,
    example: { ...access, permissions: ['charges:write', 'customers:index'] },
    audience: both,
  }),
  'installation.access-refused': ownType('installation.access-refused', {
    sentence: 'Somebody refused what the version in force asks for; the installation stays as it was.',
    data: AccessData,
    example: pending,
    audience: both,
  }),
  'installation.plan-changed': ownType('installation.plan-changed', {
    sentence: 'An installation is on another plan of the application.',
    data: PlanChangedData,
    example: {
      ...examplePlace,
      userId: exampleIds.user,
      currentPlanId: 'pln_01a1ff50919a7ee88951eddf34997d11',
      newPlanId: 'pln_01a1ff50919a7ee88951eddf34997d12',
    },
    audience: both,
    publishedBy: 'either',
  }),
  'external-auth.connected': ownType('external-auth.connected', {
    sentence: 'Somebody connected an installation with their account at the service behind the application.',
    data: ExternalAuthData,
    example: { ...examplePlace, authType: 'oauth2', scopes: 'contacts.read', isAutoRefreshTokenEnabled: true },
    audience: both,
    publishedBy: 'either',
  }),
} satisfies Record<string, OwnType>
