export { eventCatalogue, ownEventTypes } from './catalogue.ts'
export { disableEndpoint, findReceiver, findTargets, updateHealth } from './endpoint-store.ts'
export {
  healthy,
  type Endpoint,
  type EndpointHealth,
  type EndpointScope,
  type Receiver,
  type Target,
} from './endpoint.ts'
export { createEndpoint, deleteEndpoint, ownedEndpoint, scopeOf, secretContext, updateEndpoint } from './endpoints.ts'
export { eventFilterPattern, wantsType } from './event-filter.ts'
export { findEvents, listPastEvents, toStoredEvent, type EventText, type PastEvent } from './event-store.ts'
export { createEventTypes, type EventTypeDefinition, type EventTypes } from './event-types.ts'
export { deliveryCauses } from './event.ts'
export type { DeliveryCause, HighLevelBody, NewEvent, Occurrence, StoredEvent } from './event.ts'
export type { EventHooks, EventsContext, HighLevelForm, InstalledAt } from './events-context.ts'
export { highLevelText, signHighLevel, webhookIdOf, type EndpointFormat } from './highlevel.ts'
export { eventsOperations, readEndpoints, updateEndpoints } from './operations.ts'
export { hasSubscribers, publish, publishMany, wouldReceive } from './publish.ts'
export { Format } from './schemas.ts'
export { checkWebhookSecret, signWebhook } from './signing.ts'
