import { permission } from '../http/index.ts'

export const exchangeTokens = permission('location-tokens:create', 'get tokens for the locations it is installed in', {
  aliases: ['oauth.write'],
  roles: ['owner', 'admin'],
  risk: 'medium',
  applications: true,
})
export const listInstalled = permission(
  'installed-locations:index',
  'see the names of your locations, and where it is installed',
  { aliases: ['oauth.readonly'], applications: true },
)
export const embedApplication = permission('context-tokens:create', 'open the pages of installed applications')

/**
 * What the token of an organization can do when the application works in its locations: reach them, and go away again.
 * Everything else needs the token of the location it concerns.
 */
export const ofCompanies = new Set([
  exchangeTokens.name,
  listInstalled.name,
  'installer-details:show',
  'instances:uninstall',
])

/** What an application may do for itself, by its client credentials: see to its own registration, endpoints and installations. */
export const ofClients = new Set([
  'applications:show',
  'applications:history',
  'owner-instances:index',
  'owner-instances:show',
  'webhooks:index',
  'webhooks:create',
  'webhooks:update',
  'webhooks:delete',
])
