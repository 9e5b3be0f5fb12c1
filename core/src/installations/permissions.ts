import { permission, type Role } from '../http/index.ts'

const managers: Role[] = ['owner', 'admin']
const authors: Role[] = ['owner', 'admin', 'author']

export const showInstances = permission('instances:show', 'see which applications are installed, and their history', {
  ownKeys: true,
})
export const installInstances = permission('instances:install', 'install applications', {
  roles: managers,
  risk: 'high',
})
export const grantInstances = permission('instances:grant', 'decide what installed applications may do', {
  roles: managers,
  risk: 'high',
})
export const enableInstances = permission('instances:enable', 'switch installed applications on again', {
  roles: managers,
  risk: 'medium',
})
export const disableInstances = permission('instances:disable', 'switch installed applications off', {
  roles: managers,
  risk: 'medium',
})
export const uninstallInstances = permission('instances:uninstall', 'uninstall applications', {
  ofApplications: 'uninstall itself',
  aliases: ['oauth.write'],
  roles: managers,
  risk: 'medium',
  applications: true,
})
export const readConfiguration = permission(
  'instance-configuration:show',
  'read the settings of installed applications',
  { ofApplications: 'read the settings you gave it', applications: true, ownKeys: true },
)
export const writeConfiguration = permission(
  'instance-configuration:update',
  'change the settings of installed applications',
  { ofApplications: 'change its settings', roles: managers, risk: 'medium', applications: true },
)
export const readInstaller = permission('installer-details:show', 'see who installed it, and for which company', {
  aliases: ['marketplace-installer-details.readonly'],
  applications: true,
})
export const listOwnerInstances = permission('owner-instances:index', 'see who has installed your applications', {
  roles: authors,
  ownKeys: true,
})
export const openOwnerInstances = permission(
  'owner-instances:show',
  'get access tokens for installations of your applications',
  { roles: authors, risk: 'high', ownKeys: true },
)
