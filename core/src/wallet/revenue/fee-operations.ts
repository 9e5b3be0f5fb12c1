import { findApplication } from '../../applications/index.ts'
import type { Db } from '../../database/index.ts'
import { defineOperation, pagedReply, PageQuery, type Operation } from '../../http/index.ts'
import { Id, nowIso, StoaError, Strict, Time, Type } from '../../kernel/index.ts'
import { actorOf } from '../actor-of.ts'
import type { WalletContext } from '../context.ts'
import { readFees, writeFees } from '../permissions.ts'
import { listFees, setFee } from './platform-fees.ts'

const FeeShape = Type.Object({
  applicationId: Id(),
  version: Type.Integer({ description: '1, 2, 3, … ; the highest one is in force.' }),
  feeBps: Type.Integer(),
  actor: Type.String(),
  createdTime: Time(),
})

const FeeBody = Strict({
  feeBps: Type.Integer({
    minimum: 0,
    maximum: 10_000,
    description: 'Hundredths of a percent of what the application asks: 1500 is 15 %.',
  }),
})

const common = {
  path: '/platform/applications/:id/fee',
  surface: 'platform',
  tag: 'Revenue',
  params: Type.Object({ id: Id() }),
} as const

/** For the platform's operators. */
export function feeOperations(ctx: WalletContext): Operation[] {
  return [
    defineOperation({
      ...common,
      id: 'setPlatformFee',
      method: 'PUT',
      summary: 'Set the platform’s share of what an application earns',
      description: 'For charges from now on; what was charged before is given back with the share it was charged with.',
      permission: writeFees,
      body: FeeBody,
      responses: { 200: FeeShape },
      errors: ['not_found', 'validation_failed'],
      handler: async ({ caller, db, params: { id }, body: { feeBps } }) => {
        await assertExists(db, id)
        return setFee(db, { applicationId: id, feeBps, actor: actorOf(caller), now: nowIso(ctx.clock) })
      },
    }),
    defineOperation({
      ...common,
      id: 'listPlatformFees',
      method: 'GET',
      summary: 'See the platform’s share and what it was before, the latest first',
      description: 'Empty for an application it was never set for: there the share is 0.',
      permission: readFees,
      query: Type.Object(PageQuery),
      responses: { 200: Type.Array(FeeShape) },
      errors: ['not_found'],
      handler: async ({ db, params: { id }, query }) => {
        await assertExists(db, id)
        return pagedReply(await listFees(db, id, query), query)
      },
    }),
  ]
}

async function assertExists(db: Db, applicationId: string): Promise<void> {
  if (!(await findApplication(db, applicationId))) throw new StoaError('not_found')
}
