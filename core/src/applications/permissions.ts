import { permission, roles, type Role } from '../http/index.ts'

const authors: Role[] = ['owner', 'admin', 'author']
const everyone: Role[] = [...roles]
const operators: Role[] = ['operator']

export const listStore = permission('applications:index', 'list the applications of the store', {
  roles: everyone,
  ownKeys: true,
})
export const showApplication = permission('applications:show', 'see an application', { roles: everyone, ownKeys: true })
export const createApplication = permission('applications:create', 'register applications', {
  roles: authors,
  risk: 'medium',
  ownKeys: true,
})
export const updateApplicationPermission = permission('applications:update', 'change applications', {
  roles: authors,
  risk: 'medium',
  ownKeys: true,
})
export const deleteApplicationPermission = permission('applications:delete', 'delete applications', {
  roles: authors,
  risk: 'high',
  ownKeys: true,
})
export const submitApplicationPermission = permission('applications:submit', 'submit applications for review', {
  roles: authors,
  risk: 'medium',
  ownKeys: true,
})
export const reviewApplications = permission(
  'applications:review',
  'approve, reject, disable and enable the applications of others',
  { roles: operators, risk: 'high' },
)
export const showHistory = permission('applications:history', 'see how an application came to its present state', {
  roles: [...authors, 'operator'],
  ownKeys: true,
})
export const releaseVersions = permission('applications:release', 'release and yank versions of applications', {
  roles: authors,
  risk: 'high',
  ownKeys: true,
})
export const listSecrets = permission('applications:secrets', 'see which client secrets an application has', {
  roles: authors,
  ownKeys: true,
})
export const rotateSecret = permission(
  'applications:rotate-secret',
  'replace and end client secrets of an application',
  {
    roles: authors,
    risk: 'high',
    ownKeys: true,
  },
)
export const listKeys = permission('application-keys:index', 'see which API keys an application has', {
  roles: authors,
  ownKeys: true,
})
export const createKey = permission('application-keys:create', 'create API keys for an application', {
  roles: authors,
  risk: 'high',
  ownKeys: true,
})
export const revokeKey = permission('application-keys:delete', 'revoke API keys of an application', {
  roles: authors,
  risk: 'high',
  ownKeys: true,
})
export const uploadFile = permission('files:create', 'upload logos', { roles: authors, ownKeys: true })
export const showFile = permission('files:show', 'see uploaded logos', { roles: everyone, ownKeys: true })
