import type { OAuthWorld } from './world.ts'

export type Role = 'owner' | 'admin' | 'author' | 'member' | 'operator'
export interface Person {
  id: string
  email: string
  password: string
}

let number = 0

/** Other people than the merchant of the demo world, with a password each. */
export function people({ host }: OAuthWorld) {
  const { services } = host

  async function person(name = `Person ${++number}`): Promise<Person> {
    const [email, password] = [`person${++number}@stoa.test`, 'correct horse battery']
    const { id } = await services.createUser({ email, name, password })
    return { id, email, password }
  }

  return {
    person,
    async member(organizationId: string, role: Role): Promise<Person> {
      const somebody = await person()
      await services.saveMembership({ organizationId, userId: somebody.id, role })
      return somebody
    },
    /** Somebody with an organization of their own, and a location in it. */
    async owner(name = `Organization ${++number}`): Promise<Person & { organizationId: string; locationId: string }> {
      const somebody = await person()
      const { id: organizationId } = await services.createOrganization(somebody.id, { name })
      const { id: locationId } = await services.createLocation(organizationId, { name: `Location of ${name}` })
      return { ...somebody, organizationId, locationId }
    },
  }
}
