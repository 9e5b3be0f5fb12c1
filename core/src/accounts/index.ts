export {
  createLocation,
  createOrganization,
  createUser,
  locationOf,
  type AccountsContext,
  type NewLocation,
  type NewOrganization,
  type NewUser,
} from './accounts.ts'
export { accountsOperations } from './operations.ts'
export { hashPassword } from './passwords.ts'
export { createSessions, isSessionToken, type Session, type Sessions } from './sessions.ts'
export {
  findLocation,
  findMembership,
  findOrganization,
  findUser,
  findUserByEmail,
  listMemberships,
  ownerOf,
  replaceMemberships,
  saveMembership,
  saveUser,
  updateUserPassword,
  type Location,
  type Membership,
  type Organization,
  type User,
} from './store.ts'
