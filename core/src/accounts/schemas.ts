import { PageQuery, roles } from '../http/index.ts'
import { Id, Nullable, OneOf, Time, Type } from '../kernel/index.ts'

export const User = Type.Object({ id: Id(), email: Type.String(), name: Type.String() })
export const Member = Type.Object({ id: Id(), email: Type.String(), name: Type.String(), role: OneOf(roles) })
export const Organization = Type.Object({
  id: Id(),
  name: Type.String(),
  email: Nullable(Type.String()),
  createdTime: Time(),
  updatedTime: Time(),
})
export const Location = Type.Object({
  id: Id(),
  organizationId: Id(),
  name: Type.String(),
  address: Nullable(Type.String()),
  createdTime: Time(),
  updatedTime: Time(),
})
export const Name = Type.String({ minLength: 1, maxLength: 200, pattern: '\\S' })
export const Email = Type.String({ format: 'email', maxLength: 254 })
export const Password = Type.String({ minLength: 10, maxLength: 200 })
export const OrganizationBody = { name: Name, email: Type.Optional(Nullable(Email)) }
export const LocationBody = { name: Name, address: Type.Optional(Nullable(Type.String({ maxLength: 500 }))) }
export const byId = Type.Object({ id: Id() })
export const page = Type.Object(PageQuery)
