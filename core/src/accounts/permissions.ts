import { permission, roles } from '../http/index.ts'

const managers = ['owner', 'admin', 'operator'] as const

export const readOrganization = permission('organizations:show', 'see the organization’s name and e-mail address', {
  roles: [...roles],
  applications: true,
})
export const changeOrganizations = permission('organizations:update', 'change the organization', {
  roles: [...managers],
  risk: 'medium',
})
export const createOrganizations = permission('organizations:create', 'create organizations', { roles: [...roles] })
export const readAccount = permission('account:show', 'see who is signed in', { roles: [...roles] })
export const readLocations = permission('locations:show', 'see the organization’s locations', {
  roles: [...roles],
  applications: true,
  aliases: ['locations.readonly'],
})
export const manageLocations = permission('locations:manage', 'create and change locations', {
  roles: [...managers],
  risk: 'medium',
})
export const readMembers = permission('members:index', 'see who belongs to the organization', { roles: [...roles] })
export const manageMembers = permission('members:manage', 'add and remove people and change their roles', {
  roles: [...managers],
  risk: 'high',
})
