import { demoLogo } from '@stoa/core/testing'
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { EventEmitter } from 'eventemitter3'
import express from 'express'
import { afterAll } from 'vitest'
import {
  accessOperations,
  createAuthenticate,
  createCatalogue,
  platformPermissions,
  saveApiKey,
} from '../../core/src/access/index.ts'
import {
  accountsOperations,
  createLocation,
  createOrganization,
  createSessions,
  createUser,
  saveMembership,
} from '../../core/src/accounts/index.ts'
import {
  applicationsOperations,
  createDatabaseFiles,
  createSettingsCompiler,
  ownsApplication,
} from '../../core/src/applications/index.ts'
import { parseConfig } from '../../core/src/config.ts'
import { LifecycleEmitter, type Environment, type LifecycleEvents } from '../../core/src/context.ts'
import { inTransaction, migrate, openDatabase } from '../../core/src/database/index.ts'
import { deliveriesOperations } from '../../core/src/deliveries/index.ts'
import { createEventTypes, eventsOperations, ownEventTypes, type StoredEvent } from '../../core/src/events/index.ts'
import { createRateLimit, mountOperations, permission, type Caller, type Role } from '../../core/src/http/index.ts'
import {
  countGrants,
  countInstallations,
  passOnToLocation,
  queueRollOut,
  createInstallationWorker,
  installationHooks,
  installationsAt,
  installationsOf,
  installationsOperations,
  type InstallationsContext,
  instancesOf,
} from '../../core/src/installations/index.ts'
import { createSecretBox, createSigningKeys, nowIso } from '../../core/src/kernel/index.ts'
import { createMetrics } from '../../core/src/metrics/index.ts'
import { createOutbound } from '../../core/src/outbound/index.ts'
import type { TestDatabase } from '../support/databases.ts'
import type { Answer, CallOptions } from '../support/host.ts'

/**
 * Everything that installations stand on, over HTTP, with a clock that tests move and without a dispatcher: a test decides
 * itself which event is delivered, and when.
 */
export async function openWorld(database: TestDatabase) {
  const opened = await database.create()
  const connection = await openDatabase(opened.url)
  await migrate(connection)
  const { knex: db, dialect } = connection
  let time = Date.parse('2026-03-01T12:00:00.000Z')
  const clock = { now: () => new Date(time) }
  const config = parseConfig({ secret: 's'.repeat(40), mode: 'test', baseUrl: 'http://stoa.test' })
  const logs: object[] = []
  const logger = {
    debug() {},
    info() {},
    warn: (line: object) => logs.push(line),
    error: (line: object) => logs.push('err' in line ? (line.err as object) : line),
  }
  const ctx: InstallationsContext = {
    db,
    dialect,
    config,
    clock,
    logger,
    metrics: createMetrics({ clock }),
    secretBox: createSecretBox([config.secret]),
    signingKeys: createSigningKeys([config.secret]),
    files: createDatabaseFiles(db, clock),
    lifecycle: new LifecycleEmitter(logger),
    signals: new EventEmitter(),
    sessions: createSessions({ config, clock }),
    signIns: createRateLimit(clock),
    catalogue: createCatalogue(),
    identity: null,
    outbound: createOutbound({ allowPrivateNetworks: true, allowHttp: true, userAgent: 'test' }),
    eventTypes: createEventTypes(ownEventTypes),
    installationsAt,
    installationsOf,
    eventHooks: { enrich: {}, delivered: {}, exhausted: {}, highLevel: {} },
    settings: createSettingsCompiler({ cacheSize: 100 }),
    ownsApplication,
    instancesOf: (trx, caller, ids) => instancesOf(ctx, trx, caller, ids),
    countInstallations,
    countGrants,
    onReleased: (trx, applicationId) => queueRollOut(ctx, trx, applicationId),
    onLocationCreated: (trx, location) => passOnToLocation(ctx, trx, location),
    pricesOf: () => Promise.resolve([]),
    onStarted: () => Promise.resolve(),
    onUninstalled: () => Promise.resolve(),
    planOf: () => Promise.resolve(null),
  }
  const hooks = installationHooks(ctx)
  ctx.eventHooks.highLevel = hooks.highLevel
  const operations = [
    ...accountsOperations(ctx),
    ...accessOperations(ctx),
    ...eventsOperations(ctx),
    ...deliveriesOperations(ctx),
    ...applicationsOperations(ctx),
    ...installationsOperations(ctx),
  ]
  ctx.catalogue.add(platformPermissions)
  ctx.catalogue.add([permission('widgets:turn', 'turn widgets', { roles: [], applications: true })])
  ctx.catalogue.addOperations(operations)

  const app = express()
  app.use(mountOperations({ context: ctx, authenticate: createAuthenticate(ctx), operations }))
  const server = await new Promise<Server>((resolve) => {
    const listening = app.listen(0, '127.0.0.1', () => resolve(listening))
  })
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  afterAll(async () => {
    await new Promise((resolve) => {
      server.close(resolve)
      server.closeAllConnections()
    })
    await ctx.outbound.close()
    await connection.close()
    await opened.drop()
  })

  async function request(method: string, path: string, options?: CallOptions): Promise<Answer> {
    const answer = await call(url, method, path, options)
    if (answer.status === 500) throw new Error(`${method} ${path} broke: ${String((logs.at(-1) as Error).stack)}`)
    return answer
  }

  async function key(member: Member, options: KeyOptions = {}): Promise<string> {
    const { environment = 'production', permissions = ['*'], applicationId = null } = options
    const { organizationId, userId } = member
    const rest = { name: 'Test', expiresTime: null, organizationId, createdBy: userId }
    return (await saveApiKey(ctx, db, { ...rest, environment, permissions, applicationId })).secret
  }

  let people = 0
  async function tenant(name: string, role: Role = 'owner') {
    const user = await createUser(ctx, db, { email: `person${++people}@stoa.test`, name: `${name} Owner` })
    const organization = await inTransaction(db, (trx) =>
      createOrganization(ctx, trx, user.id, { name, email: `office${people}@stoa.test` }),
    )
    const member = { organizationId: organization.id, userId: user.id }
    if (role !== 'owner') await saveMembership(db, { ...member, role }, nowIso(clock))
    return { ...member, token: await key(member), sandbox: await key(member, { environment: 'sandbox' }) }
  }

  const operator = await tenant('Platform', 'operator')
  const publisher = await tenant('Publisher')
  const merchant = await tenant('Merchant')
  const logo = await request('POST', '/files', {
    token: publisher.token,
    body: demoLogo() as unknown as string,
    headers: { 'Content-Type': 'image/png' },
  })

  let applications = 0
  /** An application that was approved, unless `state` says otherwise. */
  async function application(options: ApplicationOptions = {}): Promise<string> {
    const { state = 'available', acknowledges = false, by = publisher, ...listing } = options
    const body = {
      name: `App ${++applications}`,
      logoId: logo.body.id,
      authorName: 'Ada',
      tagline: 'A tagline',
      description: 'A description',
      permissions: ['GetApplicationInstanceConfiguration', 'PutApplicationInstanceConfiguration', 'GetCustomer'],
      acknowledges,
      ...listing,
    }
    if (state === 'draft') {
      const { name, description } = body
      const draft = await request('POST', '/developers/applications', { token: by.token, body: { name, description } })
      return idOf(draft)
    }
    const id = idOf(await request('POST', '/applications', { token: by.token, body }))
    if (state !== 'pending-approval') await review(id, 'approve')
    if (state === 'disabled') await review(id, 'disable')
    return id
  }

  async function review(id: string, verb: 'approve' | 'disable' | 'enable' | 'reject'): Promise<void> {
    const body = verb === 'disable' || verb === 'reject' ? { reason: 'because' } : {}
    const answer = await request('POST', `/applications/${id}/${verb}`, { token: operator.token, body })
    if (answer.status !== 200) throw new Error(`${verb}: ${JSON.stringify(answer.body)}`)
  }

  /** Makes the publisher listen for the events of an application, so that deliveries are made (and never sent). */
  async function subscribe(applicationId: string, token = publisher.token): Promise<string> {
    const body = {
      url: 'https://app.example/hook',
      events: ['application-instance-enabled', 'application-instance-disabled'],
      applicationId,
    }
    return idOf(await request('POST', '/developers/webhooks/endpoints', { token, body }))
  }

  /** The events of an application, the oldest first. */
  async function events(applicationId: string): Promise<StoredEvent[]> {
    const rows = (await db('stoa_events').where({ application_id: applicationId }).orderBy('id')) as Record<
      string,
      string
    >[]
    return rows
      .filter(({ type }) => type!.startsWith('application-instance'))
      .map((row) => ({
        id: row.id!,
        type: row.type as StoredEvent['type'],
        publisherId: row.publisher_id!,
        applicationId: row.application_id!,
        organizationId: row.organization_id!,
        locationId: row.location_id!,
        environment: row.environment as Environment,
        test: false,
        traceParent: null,
        payload: JSON.parse(row.payload!) as object,
        createdTime: row.created_time!,
      }))
  }

  /** An application in the store whose first version asks for this. */
  async function asking(asks: Asks): Promise<string> {
    const id = await application()
    await db('stoa_applications')
      .where({ id })
      .update({ ...columnsOf(asks), version: 1 })
    return id
  }

  /** Another version of an application, put into force as a release does it, without the review that comes before. */
  async function release(id: string, asks: Asks): Promise<void> {
    await inTransaction(db, async (trx) => {
      await trx('stoa_applications')
        .where({ id })
        .update({ ...columnsOf(asks), version: trx.raw('version + 1') })
      await ctx.onReleased(trx, id)
    })
  }

  /** The bodies of our own events about installations of an application, the oldest first. */
  async function told(applicationId: string, type?: string): Promise<Told[]> {
    const rows = (await db('stoa_events').where({ application_id: applicationId }).orderBy('id')) as {
      payload: string
      type: string
    }[]
    return rows
      .filter((row) => row.type.startsWith('installation.') && (type === undefined || row.type === type))
      .map(({ payload }) => JSON.parse(payload) as Told)
  }

  /** As authentication makes one of a person. */
  function callerOf(member: Member, options: Partial<Caller> = {}): Caller {
    return {
      kind: 'user',
      credentialId: 'ses_1',
      userId: member.userId,
      organizationId: member.organizationId,
      locationId: null,
      environment: 'production',
      permissions: ctx.catalogue.ofRole('owner'),
      onlyApplicationId: null,
      application: null,
      ...options,
    }
  }

  const lifecycle: LifecycleEvents['installation.status-changed'][0][] = []
  ctx.lifecycle.on('installation.status-changed', (change) => lifecycle.push(change))

  return {
    ctx,
    db,
    request,
    key,
    tenant,
    publisher,
    merchant,
    operator,
    application,
    review,
    subscribe,
    events,
    lifecycle,
    logs,
    location: async (organizationId: string) =>
      (await inTransaction(db, (trx) => createLocation(ctx, trx, organizationId, { name: 'A location' }))).id,
    asking,
    release,
    told,
    callerOf,
    worker: createInstallationWorker(ctx),
    /** All background work there is. */
    async work() {
      const worker = createInstallationWorker(ctx)
      while ((await worker.runDue()) > 0);
    },
    advance(seconds: number) {
      time += seconds * 1000
    },
    /** What the dispatcher does after a 2xx, or after the last failure. */
    delivered: (event: StoredEvent) => inTransaction(db, async (trx) => hooks.delivered[event.type]?.(trx, event)),
    exhausted: (event: StoredEvent) => inTransaction(db, async (trx) => hooks.exhausted[event.type]?.(trx, event)),
    /** The body that would be sent. */
    enriched: async (event: StoredEvent) => (await hooks.enrich[event.type]?.(db, event)) ?? event.payload,
  }
}

export type World = Awaited<ReturnType<typeof openWorld>>

export interface Asks {
  permissions?: string[]
  optionalPermissions?: string[]
  installsOn?: 'any' | 'organization' | 'location'
}

export interface Told {
  type: string
  data: Record<string, unknown> & { locationId: string | null; permissions: string[]; pending: string[] }
}

export interface Member {
  organizationId: string
  userId: string
}

interface KeyOptions {
  environment?: Environment
  permissions?: string[]
  applicationId?: string | null
}

interface ApplicationOptions {
  state?: 'draft' | 'pending-approval' | 'available' | 'disabled'
  acknowledges?: boolean
  permissions?: string[]
  properties?: object
  configurationUrl?: string
  by?: { token: string }
}

function columnsOf({ permissions, optionalPermissions, installsOn }: Asks): Record<string, string> {
  return {
    ...(permissions && { permissions: JSON.stringify(permissions) }),
    ...(optionalPermissions && { optional_permissions: JSON.stringify(optionalPermissions) }),
    ...(installsOn && { installs_on: installsOn }),
  }
}

function idOf(answer: Answer): string {
  if (answer.status !== 201) throw new Error(`${answer.status}: ${JSON.stringify(answer.body)}`)
  return (answer.body as { id: string }).id
}

// Not the one of ../support/host.ts: that module needs the whole host and its generated client.
async function call(url: string, method: string, path: string, options: CallOptions = {}): Promise<Answer> {
  const { body, token, headers } = options
  const isRaw = typeof body === 'string' || body instanceof Uint8Array
  const response = await fetch(url + path, {
    method,
    headers: {
      ...(token && { Authorization: `Bearer ${token}` }),
      ...(body !== undefined && !isRaw && { 'Content-Type': 'application/json' }),
      ...headers,
    },
    body: body === undefined ? undefined : isRaw ? (body as string) : JSON.stringify(body),
  })
  const text = await response.text()
  return { status: response.status, headers: response.headers, body: text === '' ? undefined : JSON.parse(text) }
}
