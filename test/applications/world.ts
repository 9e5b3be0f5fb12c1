import { createHost, type Host, type HostConfig, type LifecycleEvents } from '@stoa/core'
import { demoLogo, listenOn } from '@stoa/core/testing'
import type { Knex } from 'knex'
import { afterAll } from 'vitest'
import { openDatabase } from '../../core/src/database/index.ts'
import type { TestDatabase } from '../support/databases.ts'

type Role = 'owner' | 'admin' | 'author' | 'member' | 'operator'

export interface Answer {
  status: number
  headers: Headers
  body: any // eslint-disable-line -- tests look into bodies of every shape
  bytes: Buffer
}

export interface Person {
  organizationId: string
  userId: string
  /** An API key that may do all that the person may. */
  token: string
}

/** The real host over HTTP, with a publisher, a rival publisher, a merchant and an operator. */
export async function openWorld(database: TestDatabase, options: Partial<HostConfig> = {}) {
  const opened = await database.create()
  const connection = await openDatabase(opened.url)
  const host = await createHost({
    secret: 'a secret that only tests know, 32+',
    mode: 'test',
    baseUrl: 'http://stoa.test',
    ...options,
    database: connection.knex,
  })
  const { url, close } = await listenOn(host)
  afterAll(async () => {
    await close()
    await host.stop()
    await connection.close()
    await opened.drop()
  })
  const call = (method: string, path: string, token?: string, body?: unknown, headers: Record<string, string> = {}) =>
    request(url, method, path, token, body, headers)

  let number = 0
  const organization = async (role: Role): Promise<Person> => {
    const name = `${role} ${++number}`
    const user = await host.services.createUser({ email: `person${number}@stoa.test`, name })
    const { id } = await host.services.createOrganization(user.id, { name, email: null })
    await host.services.saveMembership({ organizationId: id, userId: user.id, role })
    return { organizationId: id, userId: user.id, token: await keyOf(host, id, user.id) }
  }
  const colleague = async (of: Person, role: Role): Promise<Person> => {
    const user = await host.services.createUser({ email: `person${++number}@stoa.test`, name: `colleague ${number}` })
    await host.services.saveMembership({ organizationId: of.organizationId, userId: user.id, role })
    return { ...of, userId: user.id, token: await keyOf(host, of.organizationId, user.id) }
  }
  const publisher = await organization('owner')
  const rival = await organization('owner')
  const merchant = await organization('owner')
  const operator = await organization('operator')

  const upload = async (person: Person = publisher): Promise<string> =>
    (await call('POST', '/files', person.token, demoLogo(), { 'Content-Type': 'image/png' })).body.id as string
  const logoId = await upload()

  let listings = 0
  /** A body that PostApplication takes. */
  const listing = (changes: object = {}) => ({
    name: `Application ${++listings}`,
    logoId,
    authorName: 'Ada & Co.',
    tagline: 'Does things',
    description: '# Things\n\nIt does them.',
    permissions: ['GetCustomer', 'invoices:index'],
    ...changes,
  })
  /** An application of the publisher's, in the state it was registered in or one that review brings it to. */
  const application = async (
    state: 'draft' | 'pending-approval' | 'available' | 'rejected' | 'disabled',
    changes: object = {},
  ): Promise<string> => {
    if (state === 'draft')
      return made(
        await call('POST', '/developers/applications', publisher.token, { name: `Draft ${++listings}`, ...changes }),
      )
    const id = made(await call('POST', '/applications', publisher.token, listing(changes)))
    const steps = {
      'pending-approval': [],
      available: ['approve'],
      rejected: ['reject'],
      disabled: ['approve', 'disable'],
    }
    for (const step of steps[state]) {
      const { status } = await call('POST', `/applications/${id}/${step}`, operator.token, {
        reason: `because of ${step}`,
      })
      if (status !== 200) throw new Error(`${step}: ${status}`)
    }
    return id
  }
  return {
    ...{
      host,
      url,
      call,
      publisher,
      rival,
      merchant,
      operator,
      organization,
      colleague,
      upload,
      logoId,
      listing,
      application,
    },
    db: connection.knex,
  }
}

export type World = Awaited<ReturnType<typeof openWorld>>

/** Lifecycle events of this kind from now on. */
export function listen<E extends keyof LifecycleEvents>(host: Host, event: E): LifecycleEvents[E][0][] {
  const heard: LifecycleEvents[E][0][] = []
  host.events.on(event, ((payload: LifecycleEvents[E][0]) => heard.push(payload)) as never)
  return heard
}

/** Bodies of the application's events in the outbox, of production. */
export async function published(db: Knex, applicationId: string): Promise<{ type: string; data: object }[]> {
  const rows = (await db('stoa_events')
    .where({ application_id: applicationId, environment: 'production' })
    .orderBy('id')) as { payload: string }[]
  return rows.map(({ payload }) => JSON.parse(payload) as { type: string; data: object })
}

function made({ status, body }: Answer): string {
  if (status !== 201) throw new Error(`not made: ${JSON.stringify(body)}`)
  return body.id as string
}

async function keyOf(host: Host, organizationId: string, userId: string, permissions?: string[]): Promise<string> {
  const { secret } = await host.services.createApiKey({
    organizationId,
    createdBy: userId,
    name: 'test',
    permissions: permissions ?? ['*', 'application-keys:*', 'api-keys:*'],
    environment: 'production',
    expiresTime: null,
    applicationId: null,
  })
  return secret
}

async function request(
  url: string,
  method: string,
  path: string,
  token: string | undefined,
  body: unknown,
  headers: Record<string, string>,
): Promise<Answer> {
  const raw = typeof body === 'string' || body instanceof Uint8Array
  const response = await fetch(url + path, {
    method,
    redirect: 'manual',
    headers: {
      ...(token && { Authorization: `Bearer ${token}` }),
      ...(body !== undefined && !raw && { 'Content-Type': 'application/json' }),
      ...headers,
    },
    ...(body !== undefined && { body: raw ? (body as string) : JSON.stringify(body) }),
  })
  const bytes = Buffer.from(await response.arrayBuffer())
  const isJson = /\bjson\b/.test(response.headers.get('content-type') ?? '')
  const parsed: unknown = bytes.length > 0 && isJson ? JSON.parse(bytes.toString('utf8')) : undefined
  return { status: response.status, headers: response.headers, body: parsed, bytes }
}
