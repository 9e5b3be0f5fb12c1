export { createMetrics, type Backlog, type Metrics, type TriedDelivery, type WalletBacklog } from './create-metrics.ts'
