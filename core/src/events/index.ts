export { eventCatalogue, ownEventTypes } from './catalogue.ts'
export { renderTemplate } from './body-template.ts'
export { masked } from './endpoint-headers.ts'
export { scopeOf } from './endpoint-scope.ts'
export { createEndpoint, deleteEndpoint, ownedEndpoint, updateEndpoint } from './endpoints.ts'
export { keysVersion, openKeys, signingKeys, type OpenedKeys } from './secrets.ts'
export { disableEndpoint, findReceiver, findTargets, lockHealth, updateHealth } from './endpoint-store.ts'
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
export { createEventTypes, type EventTypeDefinition, type EventTypes } from './event-types.ts'
export { deliveryCauses } from './event.ts'
export type { DeliveryCause, HighLevelBody, NewEvent, Occurrence, StoredEvent } from './event.ts'
export type { EventHooks, EventsContext, HighLevelForm, InstalledAt } from './events-context.ts'
export { highLevelText, signHighLevel, webhookIdOf, type EndpointFormat } from './highlevel.ts'
export { eventsOperations, readEndpoints, updateEndpoints } from './operations.ts'
export { hasSubscribers, publish, publishMany, wouldReceive } from './publish.ts'
export { Format } from './schemas.ts'
export { signWebhook } from './signing.ts'
