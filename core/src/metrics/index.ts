export { createMetrics, type Backlog, type Metrics, type TriedDelivery } from './create-metrics.ts'
