export { roles, type Authenticate, type Caller, type CallerKind, type CredentialRequest, type Role } from './caller.ts'
export { linkTo } from './link-to.ts'
export { mountOperations, notFoundHandler } from './mount.ts'
export type { ExplainLack } from './pipeline.ts'
export { createOpenApi } from './openapi.ts'
export { defineOperation, reply, Reply, type Input, type Operation, type Surface } from './operation.ts'
export { html, pageHeaders, renderPage, type Html } from './page.ts'
export { PageQuery, pagedReply, type Page, type Paged } from './paging.ts'
export { permission, type Permission } from './permission.ts'
export type { RequestFacts } from './request-facts.ts'
export { createRateLimit, type RateLimit } from './rate-limit.ts'
export {
  EventStream,
  EventStreamBody,
  streamReply,
  type EventSource,
  type ServerSentEvent,
} from './event-stream.ts'
export { createEventStreams, type EventStreams } from './event-streams.ts'
export { documentationRouter } from './documentation.ts'
export { healthOperations } from './health.ts'
export { metricsOperations } from './metrics.ts'
