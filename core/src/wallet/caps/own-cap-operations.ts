import type { Db } from '../../database/index.ts'
import { defineOperation, pagedReply, PageQuery, reply, type Caller, type Operation } from '../../http/index.ts'
import { isPresent, lockInstallationById } from '../../installations/index.ts'
import { Id, OneOf, StoaError, Type } from '../../kernel/index.ts'
import type { WalletContext } from '../context.ts'
import { readCharges, writeCharges } from '../permissions.ts'
import { tenantOf, type Tenant } from '../tenant.ts'
import { listCapRequests } from './cap-request-store.ts'
import { askForCap } from './cap-requests.ts'
import { AskForCapBody, CapRequestShape, capRequestShape, CapShape, capShape } from './cap-schemas.ts'
import { findCaps } from './cap-store.ts'
import { capRequestStatuses } from './cap.ts'
import { withPublisher } from './capped.ts'
import { readCapScope } from './read-cap.ts'

const requests = '/marketplace/app/:appId/cap-requests'
const common = {
  surface: 'runtime',
  tag: 'Caps',
  callers: ['application'],
  params: Type.Object({ appId: Id() }),
} satisfies Partial<Operation>

/** What an application sees of its caps where it is installed, and asks for. It can never raise one itself. */
export function ownCapOperations(ctx: WalletContext): Operation[] {
  return [
    defineOperation({
      ...common,
      id: 'getOwnCaps',
      method: 'GET',
      path: '/marketplace/app/:appId/caps',
      summary: 'See how much the application may cost on the location, and what is left of it',
      permission: readCharges,
      responses: { 200: Type.Array(CapShape) },
      errors: ['not_found'],
      handler: async ({ caller, db, params }) => {
        const { installationId } = ownTenant(caller, params.appId)
        const shapes = []
        for (const cap of await findCaps(db, [installationId])) shapes.push(await capShape(ctx, db, cap))
        return shapes
      },
    }),
    defineOperation({
      ...common,
      id: 'askForCap',
      method: 'POST',
      path: requests,
      summary: 'Ask the merchant for a higher cap',
      description:
        'One request is open at a time for a meter, period and currency; a new one takes its place, and 10 can be made in a day. The merchant decides, and `cap.request-decided` tells what. The same again is answered as before (200).',
      permission: writeCharges,
      body: AskForCapBody,
      responses: { 201: CapRequestShape, 200: CapRequestShape },
      errors: ['not_found', 'not_installed', 'wrong_state', 'validation_failed', 'meter_not_found', 'limit_reached'],
      handler: async ({ caller, db, params, body }) => {
        const tenant = ownTenant(caller, params.appId)
        await lockPresent(ctx, db, tenant)
        const capped = await withPublisher(db, tenant)
        const scope = await readCapScope(ctx, db, capped, body)
        const { request, isNew } = await askForCap(ctx, db, capped, scope, body)
        return reply(isNew ? 201 : 200, capRequestShape(request))
      },
    }),
    defineOperation({
      ...common,
      id: 'listOwnCapRequests',
      method: 'GET',
      path: requests,
      summary: 'List what the application asked for beyond its caps, with the answers, the latest first',
      permission: readCharges,
      query: Type.Object({ ...PageQuery, status: Type.Optional(OneOf(capRequestStatuses)) }),
      responses: { 200: Type.Array(CapRequestShape) },
      errors: ['not_found'],
      handler: async ({ caller, db, params, query }) => {
        const { installationId } = ownTenant(caller, params.appId)
        const { items, total } = await listCapRequests(db, { installationId, status: query.status }, query)
        return pagedReply({ items: items.map(capRequestShape), total }, query)
      },
    }),
  ]
}

/** Throws `not_found` for another application than the token's, `caller_not_allowed` without a location. */
function ownTenant(caller: Caller, appId: string): Tenant {
  if (caller.application?.applicationId !== appId) throw new StoaError('not_found')
  return tenantOf(caller)
}

async function lockPresent({ dialect }: WalletContext, db: Db, { installationId }: Tenant): Promise<void> {
  const installation = await lockInstallationById(db, dialect, installationId)
  if (!installation || !isPresent(installation)) throw new StoaError('not_installed')
}
