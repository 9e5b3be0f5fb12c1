export { createDispatcher, type Dispatcher } from './dispatcher.ts'
export { deliveriesOperations } from './operations.ts'
export { createReplayWorker, type ReplayWorker } from './replay-worker.ts'
export { createRetention, type Retention } from './retention.ts'
