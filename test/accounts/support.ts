import type { HostConfig } from '@stoa/core'
import type { TestDatabase } from '../support/databases.ts'
import { openHost, type Answer, type OpenedHost } from '../support/host.ts'

export type Role = 'owner' | 'admin' | 'author' | 'member' | 'operator'

export interface Person {
  id: string
  email: string
  /** A session. */
  token: string
}

export const password = 'correct horse battery'

/** The demo world under a clock that tests move, and people who sign in. */
export async function openWorld(database: TestDatabase, options: Partial<HostConfig> = {}) {
  let time = Date.parse('2026-03-01T12:00:00.000Z')
  const host: OpenedHost = await openHost(database, { clock: { now: () => new Date(time) }, ...options })
  const { services } = host.host
  let number = 0

  const signIn = (email: string, given = password): Promise<Answer> =>
    host.call('POST', '/sessions', { body: { email, password: given } })

  /** Somebody who belongs nowhere, and therefore cannot do anything yet. */
  async function stranger(): Promise<Person> {
    const email = `person${++number}@stoa.test`
    const { id } = await services.createUser({ email, name: `Person ${number}`, password })
    const { status, body } = await signIn(email)
    if (status !== 201) throw new Error(`not signed in: ${JSON.stringify(body)}`)
    return { id, email, token: body.token as string }
  }

  /** An organization and its first owner. */
  async function organization(name = 'Organization'): Promise<{ id: string; owner: Person }> {
    const owner = await stranger()
    const { id } = await services.createOrganization(owner.id, { name })
    return { id, owner }
  }

  async function member(organizationId: string, role: Role): Promise<Person> {
    const person = await stranger()
    await services.saveMembership({ organizationId, userId: person.id, role })
    return person
  }

  return {
    ...host,
    services,
    signIn,
    stranger,
    organization,
    member,
    now: () => new Date(time),
    advance: (seconds: number) => void (time += seconds * 1000),
  }
}

export type World = Awaited<ReturnType<typeof openWorld>>
