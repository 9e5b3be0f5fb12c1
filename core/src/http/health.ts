import type { Context } from '../context.ts'
import { Type } from '../kernel/index.ts'
import { defineOperation, type Operation } from './operation.ts'

/** For load balancers and for the SDKs' health checks: 200 when the database answers, 503 when it does not. */
export function healthOperations(ctx: Context): Operation[] {
  return [
    defineOperation({
      id: 'getHealth',
      method: 'GET',
      path: '/health',
      scope: 'organization',
      aliases: ['/status'],
      surface: 'platform',
      tag: 'Health',
      summary: 'See whether the host can serve',
      permission: null,
      responses: { 200: Type.Object({ status: Type.Literal('ok') }) },
      handler: async () => {
        await ctx.db.raw('select 1')
        return { status: 'ok' as const }
      },
    }),
  ]
}
