export * from './application.ts'
export * from './errors.ts'
export * from './events.ts'
export * from './headers.ts'
