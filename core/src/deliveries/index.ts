export { createDispatcher, type Dispatcher } from './dispatcher.ts'
export { deliveriesOperations } from './operations.ts'
export { sendDelivery, type Result } from './send-delivery.ts'
