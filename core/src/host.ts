import { EventEmitter } from 'eventemitter3'
import { Router, type RequestHandler } from 'express'
import type { Knex } from 'knex'
import {
  createAuthenticate,
  createCatalogue,
  createCredentialSweeper,
  platformPermissions,
  accessOperations,
} from './access/index.ts'
import { accountsOperations, createSessions } from './accounts/index.ts'
import {
  applicationsOperations,
  createDatabaseFiles,
  createSettingsCompiler,
  ownsApplication,
} from './applications/index.ts'
import { checkSecret } from './check-secret.ts'
import { parseConfig, type ConfigInput } from './config.ts'
import { LifecycleEmitter } from './context.ts'
import { createNotifications, migrate, openDatabase, pendingMigrations } from './database/index.ts'
import {
  createDispatcher,
  createReplayWorker,
  createRetention,
  deliveriesOperations,
  mostInHand,
  readBacklog,
  streamOperations,
  sweepStreams,
} from './deliveries/index.ts'
import {
  checkTypePermissions,
  createEventTypes,
  createOutbox,
  embedderTypes,
  eventsOperations,
  eventTypeOperations,
  ownEventTypes,
  type EmbedderEvent,
  type Published,
} from './events/index.ts'
import {
  createEventStreams,
  createOpenApi,
  createRateLimit,
  documentationRouter,
  healthOperations,
  metricsOperations,
  mountOperations,
  notFoundHandler,
  type Operation,
} from './http/index.ts'
import {
  countGrants,
  countInstallations,
  createInstallationWorker,
  installationHooks,
  installationsAt,
  installationsOf,
  installationsOperations,
  instancesOf,
  passOnToLocation,
  queueRollOut,
} from './installations/index.ts'
import {
  createSecretBox,
  createSigningKeys,
  systemClock,
  type Clock,
  type Files,
  type FundingPort,
  type IdentityPort,
  type Logger,
  type SecretBox,
} from './kernel/index.ts'
import {
  createExplainLack,
  createWellKnown,
  oauthOperations,
  oauthPages,
  oauthSweeps,
  type OAuthContext,
} from './oauth/index.ts'
import { createMetrics } from './metrics/index.ts'
import { createOutbound } from './outbound/index.ts'
import { relaySignals } from './relay-signals.ts'
import { createServices, type Services } from './services.ts'
import {
  createWallet,
  endWithInstallation,
  planOf,
  pricesOf,
  readWalletBacklog,
  startSubscription,
  sweepBilling,
  type WalletContext,
} from './wallet/index.ts'
import { version } from './version.ts'

/** What an embedder gives: options, a database, and the ports they want to fill. */
export interface HostConfig extends ConfigInput {
  /** A URL (`postgres://…`), a SQLite file path, `:memory:`, or your own knex on better-sqlite3 or pg. */
  database: string | Knex
  /** Your sign-in; without it people sign in with Stoa's own accounts. */
  identity?: IdentityPort
  /** Where logos are kept; by default in the database. */
  files?: Files
  /** Your KMS; by default AES-256-GCM under keys derived from `secret`. */
  secretBox?: SecretBox
  /** Your payment provider, for merchants who top up their wallets; by default only operators add money. Sandbox plays money. */
  funding?: FundingPort
  clock?: Clock
  /** pino's and console's shapes fit; by default nothing is logged. */
  logger?: Logger
}

export interface Host {
  /** Mount it: `app.use(host.router)`. It serves without `start()`, and lets paths it does not know pass. */
  router: Router
  /**
   * The authorization server's metadata for a router that is mounted below a path: `app.use(host.wellKnown)` at the root of
   * the origin, where standard clients look for them.
   */
  wellKnown: Router
  /** For a server that has nothing else: answers 404 in the host's form. */
  notFound: RequestHandler
  /** Every operation the router serves. */
  operations: Operation[]
  /** The OpenAPI 3.1 document, as served at /openapi.json. */
  openApi(): Record<string, unknown>
  /** What the embedder's own code may do directly, without HTTP. */
  services: Services
  /**
   * Publishes an event to whoever may receive it: the endpoints of the organization in which it happened and, for a type with a
   * permission, those of applications that are installed there and were granted it.
   *
   * @param db your own transaction (knex, on the database of the host): the event is written in it, and never sent when it rolls
   *   back. Null for a transaction of the host's own, which many callers share: the fastest way, and the answer means that it is
   *   on disk. Inside a transaction of yours always give it: on SQLite the host would wait for it for ever.
   * @param event its type is one of `config.eventTypes`, or `installation.plan-changed` or `external-auth.connected` of an
   *   application that is enabled there. See its members.
   * @returns the id, sent as `webhook-id`, and whether the event had been published before, with the same `idempotencyKey`.
   * @throws StoaError `validation_failed` for a type, organization or location that does not exist or `data` that is no object
   *   JSON can hold, `body_too_large`, `idempotency_key_reused` for a key that stands for an event with other content,
   *   `not_installed`, `unavailable` when too many wait. None of them upsets the transaction. A body that does not fit the schema
   *   of its type is logged in development, an Error in tests, and sent in production.
   */
  publish(db: Knex | Knex.Transaction | null, event: EmbedderEvent): Promise<Published>
  /** Lifecycle events, raised in this process after the transaction that made them true has committed. */
  events: LifecycleEmitter
  /** Starts the background work: delivering events, settling installations. Any number of processes may run it. */
  start(): void
  /**
   * Ends the event streams that are open, and refuses new ones: a server that is closing would wait for them. `stop()` does it
   * too, but a server should be closed before.
   */
  endStreams(): Promise<void>
  /** The figures of this host for Prometheus, as GET /metrics answers them, to be served along with your own. */
  metrics(): Promise<string>
  /** Stops taking background work, finishes what is under way, closes the database it opened. */
  stop(): Promise<void>
}

const silent: Logger = { debug() {}, info() {}, warn() {}, error() {} }

/**
 * Opens and migrates the database and puts one host together. There is no module-level state: two hosts in one
 * process never meet. Throws when an option or an event type is wrong or the database was migrated by a newer version.
 */
export async function createHost(input: HostConfig): Promise<Host> {
  const {
    database: source,
    identity = null,
    files,
    secretBox,
    funding = null,
    clock = systemClock,
    logger = silent,
    ...options
  } = input
  const config = parseConfig(options)
  const eventTypes = createEventTypes([...ownEventTypes, ...embedderTypes(config.eventTypes)])
  // Before the database: what it refuses must not leave one open.
  const outbound = createOutbound({
    allowPrivateNetworks: config.webhooks.allowPrivateNetworks,
    allowHttp: config.webhooks.allowHttp,
    userAgent: `Stoa/${version}`,
    connectionsPerOrigin: mostInHand(config.webhooks.concurrency),
    proxy: config.webhooks.proxy,
    onProxyFault: (reason) => logger.warn({ reason }, 'the egress proxy does not work; nothing is sent until it does'),
  })
  const database = await openDatabase(source)
  const { knex: db, dialect } = database
  const box = secretBox ?? createSecretBox([config.secret, ...config.previousSecrets])
  try {
    if ((await pendingMigrations(database)).length > 0) await migrate(database)
    await checkSecret({ db, secretBox: box })
  } catch (error) {
    // An open pool would keep the process of somebody who gives up here alive.
    await database.close()
    throw error
  }

  const catalogue = createCatalogue()
  const ctx: WalletContext = {
    db,
    dialect,
    config,
    clock,
    logger,
    metrics: createMetrics({ clock }),
    secretBox: box,
    signingKeys: createSigningKeys([config.secret, ...config.previousSecrets]),
    files: files ?? createDatabaseFiles(db, clock),
    lifecycle: new LifecycleEmitter(logger),
    signals: new EventEmitter(),
    sessions: createSessions({ config, clock }),
    signIns: createRateLimit(clock),
    catalogue,
    identity,
    outbound,
    eventTypes,
    eventHooks: { enrich: {}, delivered: {}, exhausted: {}, highLevel: {} },
    settings: createSettingsCompiler({ cacheSize: 200 }),
    // Ports that lower slices declare and higher ones fill.
    ownsApplication,
    instancesOf: (trx, caller, ids) => instancesOf(ctx, trx, caller, ids),
    countInstallations,
    countGrants,
    installationsAt: (trx, at) => installationsAt(trx, at),
    installationsOf,
    onReleased: (trx, applicationId) => queueRollOut(ctx, trx, applicationId),
    onLocationCreated: (trx, location) => passOnToLocation(ctx, trx, location),
    pricesOf: (trx, applicationId) => pricesOf(ctx, trx, applicationId),
    onStarted: (trx, start) => startSubscription(ctx, trx, start),
    onUninstalled: (trx, installation) => endWithInstallation(ctx, trx, installation),
    planOf,
    funding,
  }
  Object.assign(ctx.eventHooks, installationHooks(ctx))
  ctx.metrics.watchBacklog(() => readBacklog(ctx))
  ctx.metrics.watchWallets(() => readWalletBacklog(ctx))
  const wallet = createWallet(ctx)
  const outbox = createOutbox(ctx)
  const authenticate = createAuthenticate(ctx)
  const oauth: OAuthContext = Object.assign(ctx, { authenticate })

  // The order matters once: the more special of two paths that overlap comes first.
  const operations = [
    ...healthOperations(ctx),
    ...metricsOperations(ctx),
    ...accountsOperations(ctx),
    ...accessOperations(ctx),
    ...eventTypeOperations(ctx),
    ...eventsOperations(ctx),
    ...deliveriesOperations(ctx),
    ...streamOperations(ctx),
    ...applicationsOperations(ctx),
    ...installationsOperations(ctx),
    ...wallet.operations,
    ...oauthOperations(oauth),
  ]
  catalogue.add(platformPermissions)
  catalogue.add(wallet.permissions)
  catalogue.add(
    config.permissions.map((each) => ({
      ...each,
      ofApplications: each.sentence,
      roles: ['owner', 'admin'],
      applications: true,
      ownKeys: false,
    })),
  )
  catalogue.addOperations(operations)
  try {
    checkTypePermissions(config, catalogue)
  } catch (error) {
    await outbound.close()
    await database.close()
    throw error
  }

  const streams = createEventStreams(ctx)
  const router = Router()
  router.use(
    mountOperations({
      context: ctx,
      authenticate,
      explainLack: createExplainLack(oauth),
      operations: [...operations, ...oauthPages(oauth)],
      streams,
    }),
  )
  router.use(documentationRouter(ctx, operations, version))

  const notifications = createNotifications(db, dialect, (err, sentence) => logger.warn({ err }, sentence))
  const relay = relaySignals(ctx.signals, notifications)
  const sweeps = { ...oauthSweeps, later: [...oauthSweeps.later, sweepStreams(ctx), sweepBilling(ctx)] }
  const workers = [
    createDispatcher(ctx),
    createReplayWorker(ctx),
    createRetention(ctx),
    createInstallationWorker(ctx),
    createCredentialSweeper(ctx, sweeps),
    ...wallet.workers,
  ]
  return {
    router,
    wellKnown: createWellKnown(oauth),
    notFound: notFoundHandler(ctx),
    operations,
    openApi: () => createOpenApi(operations, config, version),
    services: createServices(ctx, authenticate),
    publish: (trx, event) => outbox.publish(trx, event),
    events: ctx.lifecycle,
    start() {
      relay.start()
      for (const worker of workers) worker.start()
    },
    endStreams: () => streams.close(),
    metrics: () => ctx.metrics.text(),
    async stop() {
      await streams.close()
      await Promise.all(workers.map((worker) => worker.stop()))
      await wallet.drain()
      await outbox.drain()
      await notifications.stop()
      await outbound.close()
      await database.close()
    },
  }
}

/** Brings a database up to date without a host, as `stoa migrate` does. Returns the names of the migrations it applied. */
export async function migrateDatabase(source: string | Knex): Promise<string[]> {
  const database = await openDatabase(source)
  try {
    return await migrate(database)
  } finally {
    await database.close()
  }
}
