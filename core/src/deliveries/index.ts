export { createDispatcher, type Dispatcher } from './dispatcher.ts'
export { deliveriesOperations } from './operations.ts'
