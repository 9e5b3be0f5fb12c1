import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import express, { type Express } from 'express'
import type { Host } from '../host.ts'

export interface Listening {
  url: string
  close(): Promise<void>
}

/** Serves a host on a free port of this machine. */
export async function listenOn(host: Pick<Host, 'router' | 'notFound'>): Promise<Listening> {
  const app = createApp()
  app.use(host.router, host.notFound)
  return listen(app)
}

export function createApp(): Express {
  const app = express()
  app.disable('x-powered-by')
  return app
}

export async function listen(app: Express): Promise<Listening> {
  const server = await new Promise<Server>((resolve, reject) => {
    const listening = app.listen(0, '127.0.0.1', (error?: Error) => (error ? reject(error) : resolve(listening)))
  })
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}
