import type { Context } from '../context.ts'
import { Type } from '../kernel/index.ts'
import { defineOperation, reply, type Operation } from './operation.ts'
import { permission } from './permission.ts'

const readMetrics = permission('metrics:index', 'read the figures of the host', { roles: ['operator'] })

/** For Prometheus, which scrapes with an operator's API key as its bearer token. */
export function metricsOperations(ctx: Context): Operation[] {
  return [
    defineOperation({
      id: 'getMetrics',
      method: 'GET',
      path: '/metrics',
      surface: 'platform',
      tag: 'Health',
      summary: 'Figures for Prometheus',
      description: 'Of this process and, where they are about what waits, of the database. For operators.',
      permission: readMetrics,
      responses: { 200: Type.String({ contentMediaType: 'text/plain' }) },
      handler: async () =>
        reply(200, await ctx.metrics.text(), { 'Content-Type': 'text/plain; version=0.0.4; charset=utf-8' }),
    }),
  ]
}
