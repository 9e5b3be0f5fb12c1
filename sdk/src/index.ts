export * from './contract/index.ts'
export * from './server/index.ts'
export { createClient, StoaApiError, type Client, type ClientOptions } from './client/create-client.ts'
export type { Operations } from './client/generated.ts'
