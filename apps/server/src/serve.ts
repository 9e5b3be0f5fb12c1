import type { AddressInfo } from 'node:net'
import type { Server } from 'node:http'
import express from 'express'
import { EnvironmentProblem, type Environment } from './environment.ts'
import { openHost } from './open-host.ts'

/** Serves until SIGTERM or SIGINT, then finishes what is under way. A second signal ends it at once. */
export async function serve(environment: Environment): Promise<void> {
  const { host, logger } = await openHost(environment)
  const app = express()
  app.disable('x-powered-by')
  app.set('trust proxy', environment.proxies)
  const { pathname } = new URL(environment.options.baseUrl ?? 'http://localhost')
  // Proxies in front of a path either keep it or take it away.
  if (pathname !== '/') app.use(pathname, host.router)
  app.use(host.wellKnown, host.router, host.notFound)

  const server = await listen(app, environment.port).catch(async (error: NodeJS.ErrnoException) => {
    await host.stop()
    if (error.code !== 'EADDRINUSE') throw error
    throw new EnvironmentProblem(`Port ${environment.port} is taken; set PORT to another one.`)
  })
  host.start()
  const { port } = server.address() as AddressInfo
  const { baseUrl = '' } = environment.options
  console.log(`Stoa listens on port ${port}: ${baseUrl}`)
  console.log(`Documentation: ${baseUrl}/api/documentation`)
  console.log('A demo world to play with: npm run stoa -- seed    The whole story, told by a program: npm run demo')

  let stopping = false
  const stop = (signal: string) => {
    if (stopping) process.exit(1)
    stopping = true
    logger.info({ signal }, 'stopping')
    const closed = closeServer(server)
    host
      .endStreams()
      .then(() => closed)
      .then(() => host.stop())
      .then(
        () => process.exit(0),
        (err: unknown) => {
          logger.error({ err }, 'did not stop cleanly')
          process.exit(1)
        },
      )
  }
  process.on('SIGTERM', stop)
  process.on('SIGINT', stop)
}

const longestAnswerMilliseconds = 10_000

/** Takes no new requests and waits for those under way: what was committed must also be answered. */
function closeServer(server: Server): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(() => server.closeAllConnections(), longestAnswerMilliseconds).unref()
    server.close(() => resolve())
    server.closeIdleConnections()
  })
}

function listen(app: express.Express, port: number): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = app.listen(port, (error?: Error) => (error ? reject(error) : resolve(server)))
  })
}
