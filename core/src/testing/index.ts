export { createTestHost, type TestHost } from './create-test-host.ts'
export { demoLogo } from './demo-logo.ts'
export { listenOn, type Listening } from './listen.ts'
export {
  clockContract,
  filesContract,
  fundingContract,
  identityContract,
  loggerContract,
  secretBoxContract,
  type ContractCase,
} from './port-contracts.ts'
export { seedDemoWorld, type DemoWorld, type SeedOptions } from './seed-demo-world.ts'
