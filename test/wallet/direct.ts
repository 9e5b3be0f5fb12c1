import { EventEmitter } from 'eventemitter3'
import type { Knex } from 'knex'
import { parseConfig, type ConfigInput } from '../../core/src/config.ts'
import type { Environment } from '../../core/src/context.ts'
import { openDatabase } from '../../core/src/database/index.ts'
import type { Caller } from '../../core/src/http/index.ts'
import { Reply } from '../../core/src/http/index.ts'
import { systemClock, type Clock } from '../../core/src/kernel/index.ts'
import { createEventTypes, ownEventTypes } from '../../core/src/events/index.ts'
import { createMetrics } from '../../core/src/metrics/index.ts'
import { createWallet, type WalletContext } from '../../core/src/wallet/index.ts'
import { openBooks, operator } from './books.ts'
import { hostConfig } from './host-config.ts'
import type { World } from './world.ts'

/** What an operation answered, or what it threw. */
export interface Outcome {
  status: number
  code?: string
  error?: unknown
  body: any // eslint-disable-line -- tests look into bodies of every shape
}

/**
 * A second wallet on the world's database, called without HTTP: what is submitted in one turn of the event loop is one batch, in
 * that order, which requests over sockets cannot promise.
 */
export async function openDirectWallet(
  world: { opened: { url: string | Knex } },
  wallet: ConfigInput['wallet'] = {},
  clock: Clock = systemClock,
) {
  const connection = await openDatabase(world.opened.url)
  const { knex: db, dialect } = connection
  // The wallet needs no more of the context than this.
  const ctx = {
    db,
    dialect,
    config: parseConfig({ ...hostConfig, wallet }),
    clock,
    metrics: createMetrics({ clock }),
    lifecycle: new EventEmitter(),
    signals: new EventEmitter(),
    eventTypes: createEventTypes(ownEventTypes),
    funding: null,
    // Nobody else has anything installed where these wallets run low.
    installationsAt: () => Promise.resolve([]),
  } as unknown as WalletContext
  const { operations, drain } = createWallet(ctx)
  const handler = (id: string) => operations.find((operation) => operation.id === id)!.handler
  const rest = {
    params: undefined,
    query: undefined,
    ip: '',
    request: { method: '', url: '', search: '', headers: {}, traceId: '' },
  }

  async function outcome(work: Promise<unknown>): Promise<Outcome> {
    try {
      const answer = await work
      return answer instanceof Reply ? { status: answer.status, body: answer.body } : { status: 200, body: answer }
    } catch (error) {
      const { status = 500, code, details } = error as { status?: number; code?: string; details?: object }
      return { status, code, error, body: details }
    }
  }

  const books = openBooks((id, caller, given) =>
    db.transaction(async (trx) => {
      const answer = await handler(id)({ ...rest, body: undefined, ...given, caller, db: trx })
      return answer instanceof Reply ? { status: answer.status, body: answer.body } : { status: 200, body: answer }
    }),
  )

  return {
    ctx,
    books,
    db,
    drain,
    close: () => connection.close(),
    charge: (caller: Caller, body: object) => outcome(handler('charge')({ ...rest, caller, body, db })),
    batch: (caller: Caller, charges: object[]) =>
      outcome(handler('chargeBatch')({ ...rest, caller, body: { charges }, db })),
    void: (caller: Caller, chargeId: string) =>
      outcome(
        db.transaction((trx) =>
          handler('deleteCharge')({ ...rest, params: { chargeId }, caller, body: undefined, db: trx }),
        ),
      ),
    topUp: (locationId: string, amount: string, reference: string) =>
      outcome(
        db.transaction((trx) =>
          handler('topUp')({ ...rest, caller: operator, body: { locationId, amount, reference }, db: trx }),
        ),
      ),
  }
}

export type DirectWallet = Awaited<ReturnType<typeof openDirectWallet>>

/** The caller that the installation's token stands for. */
export async function callerAt(
  world: World,
  locationId: string,
  environment: Environment = 'production',
): Promise<Caller> {
  const installation = await world.db('stoa_installations').where({ location_id: locationId, environment }).first()
  return {
    kind: 'application',
    credentialId: installation.id,
    userId: null,
    organizationId: installation.organization_id,
    locationId,
    environment,
    permissions: new Set(),
    onlyApplicationId: null,
    application: { applicationId: installation.application_id, installationId: installation.id, rateLimit: null },
  }
}
