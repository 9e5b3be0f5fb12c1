export { announceEndpoint } from './announce-endpoint.ts'
export { bodyOf } from './body-of.ts'
export { eventCatalogue, ownEventTypes } from './catalogue.ts'
export { renderTemplate } from './body-template.ts'
export { masked } from './endpoint-headers.ts'
export { scopeOf } from './endpoint-scope.ts'
export { createEndpoint, deleteEndpoint, ownedEndpoint, updateEndpoint } from './endpoints.ts'
export { keysVersion, openKeys, signingKeys, type OpenedKeys } from './secrets.ts'
export {
  disableEndpoint,
  findReceiver,
  findTargets,
  lockHealth,
  removeEndpoint,
  removeEndpointsOf,
  updateHealth,
} from './endpoint-store.ts'
export {
  healthy,
  type Endpoint,
  type EndpointHealth,
  type EndpointScope,
  type Receiver,
  type Target,
} from './endpoint.ts'
export { eventFilterPattern, wantsType } from './event-filter.ts'
export { findEvents, listPastEvents, toStoredEvent, type EventText, type PastEvent } from './event-store.ts'
export { deliveryCauses } from './event.ts'
export { checkTypePermissions, embedderTypes } from './embedder-types.ts'
export { createEventTypes, type Audience, type EventTypeDefinition, type EventTypes } from './event-types.ts'
export type { DeliveryCause, HighLevelBody, HighLevelTrial, NewEvent, Occurrence, StoredEvent } from './event.ts'
export type { EventHooks, EventsContext, HighLevelForm, InstalledAt, InstalledPlace } from './events-context.ts'
export { signHighLevel, webhookIdOf, type EndpointFormat } from './highlevel.ts'
export { createEndpoints, eventsOperations, readEndpoints, updateEndpoints } from './operations.ts'
export { CreatedEndpointShape, CreateEndpointBody, Format } from './schemas.ts'
export { signWebhook } from './signing.ts'
export { createOutbox, type Outbox } from './outbox.ts'
export type { EmbedderEvent } from './prepare-event.ts'
export { publishTest } from './publish-test.ts'
export { hasSubscribers, publish, publishMany, wouldReceive, type Published } from './publish.ts'
export { eventTypeOperations } from './type-operations.ts'
export { createStreamEndpoint, type NewStream } from './create-stream-endpoint.ts'
export { endpointShape } from './endpoint-shape.ts'
