import { inspect } from 'node:util'
import { createClient, type Client } from '@stoa/sdk'
import type { Logger } from '../kernel/index.ts'
import { createHost, type Host, type HostConfig } from '../host.ts'
import { createApp, listen } from './listen.ts'
import { seedDemoWorld, type DemoWorld } from './seed-demo-world.ts'

export interface TestHost {
  host: Host
  /** Where it listens. */
  url: string
  world: DemoWorld
  /** Typed clients of the people in the demo world. */
  operator: Client
  publisher: Client
  merchant: Client
  /** The merchant acting in one of the locations. */
  merchantAt(locationId: string): Client
  stop(): Promise<void>
}

// A 500 in a test is a bug to look at: what the answer hides is printed.
const onlyErrors: Logger = {
  debug() {},
  info() {},
  warn() {},
  error: (details, message) => void process.stderr.write(`${message ?? 'error'} ${inspect(details)}\n`),
}

/**
 * The real host, in this process, in memory, on a free port, with the demo world in it: for authors' and embedders' own tests.
 * Webhooks may go to this machine; a failed delivery is tried again at once, twice, and once more after a second.
 */
export async function createTestHost(options: Partial<HostConfig> = {}): Promise<TestHost> {
  // Listening first, so that the links in answers lead here.
  const app = createApp()
  const { url, close } = await listen(app)
  const host = await createHost({
    database: ':memory:',
    secret: 'a secret that only tests know, 32+',
    mode: 'test',
    baseUrl: url,
    logger: onlyErrors,
    ...options,
    webhooks: {
      allowPrivateNetworks: ['127.0.0.0/8', '::1/128'],
      allowHttp: true,
      retrySeconds: [0, 0, 1],
      pollMilliseconds: 50,
      ...options.webhooks,
    },
  })
  app.use(host.router, host.notFound)
  const world = await seedDemoWorld(host, { baseUrl: url })
  host.start()
  const as = (token: string) => createClient({ baseUrl: url, token })
  return {
    host,
    url,
    world,
    operator: as(world.operator.apiKey),
    publisher: as(world.publisher.apiKey),
    merchant: as(world.organization.apiKey),
    merchantAt: (locationId) =>
      createClient({
        baseUrl: url,
        token: world.organization.apiKey,
        organizationId: world.organization.id,
        locationId,
      }),
    async stop() {
      await host.endStreams()
      await close()
      await host.stop()
    },
  }
}
