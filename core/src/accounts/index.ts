export {
  createLocation,
  createOrganization,
  createUser,
  setPassword,
  type AccountsContext,
  type NewLocation,
  type NewOrganization,
  type NewUser,
} from './accounts.ts'
export { accountsOperations } from './operations.ts'
export { createSessions, isSessionToken, type Session } from './sessions.ts'
export {
  findLocation,
  deleteEndedSessions,
  deleteMembership,
  findMembership,
  findOrganization,
  findUser,
  findUserByEmail,
  listMemberships,
  ownerOf,
  replaceMemberships,
  saveMembership,
  saveUser,
  type Location,
  type Membership,
  type Organization,
  type User,
} from './store.ts'
