import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  memoryTokenStore,
  stoaApp,
  type CallbackOptions,
  type Installation,
  type InstallOptions,
  type StoaApp,
  type StoaAppOptions,
  type TokenStore,
} from '@stoa/sdk'
import { onTestFinished } from 'vitest'
import { openFakeHost, type FakeHost } from '../support/fake-authorization-server.ts'

export interface World {
  host: FakeHost
  store: TokenStore
  app: StoaApp
  /** Where the app's own server is. */
  appUrl: string
  installed: Installation[]
  /** Moves the time of the app. */
  skip(seconds: number): void
  /** One more process of the app, as far as one process can be two. */
  another(store?: TokenStore): StoaApp
  /** Installs as a customer would. */
  install(): Promise<Page>
}

export interface WorldOptions {
  store?: TokenStore
  app?: Partial<StoaAppOptions>
  install?: InstallOptions<IncomingMessage, ServerResponse>
  callback?: CallbackOptions<IncomingMessage, ServerResponse>
}

/** A host, and an app on plain node http that can be installed from it. The app knows the host by its address alone. */
export async function openWorld(options: WorldOptions = {}): Promise<World> {
  const installed: Installation[] = []
  let now = 0
  let handle: (req: IncomingMessage, res: ServerResponse) => void = () => {}
  const appUrl = await listen((req, res) => handle(req, res))
  const host = await openFakeHost(`${appUrl}/callback`)
  onTestFinished(() => host.stop())
  const create = (store: TokenStore) =>
    stoaApp({
      hostUrl: host.url,
      clientId: host.clientId,
      clientSecret: host.clientSecret,
      redirectUri: host.redirectUri,
      now: () => new Date(Date.now() + now),
      store,
      ...options.app,
    })
  const store = options.store ?? memoryTokenStore()
  const app = create(store)
  const install = app.install(options.install)
  const callback = app.callback({ onInstalled: (installation) => installed.push(installation), ...options.callback })
  handle = (req, res) => {
    const path = req.url?.split('?')[0]
    if (path === '/install') install(req, res)
    else if (path === '/callback') callback(req, res)
    else res.writeHead(200).end('the page of the app')
  }
  return {
    host,
    store,
    app,
    appUrl,
    installed,
    skip: (seconds) => void (now += seconds * 1_000),
    another: (shared = store) => create(shared),
    install: () => openBrowser().visit(`${appUrl}/install`),
  }
}

export async function listen(handle: (req: IncomingMessage, res: ServerResponse) => void): Promise<string> {
  const server = createServer(handle)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

export interface Page {
  url: string
  status: number
  text: string
  headers: Headers
  /** Every address on the way, the last one included. */
  visited: string[]
}

export interface Browser {
  cookies: Map<string, string>
  /** Follows redirects, keeps cookies; up to `until`, if an address on the way begins with that. */
  visit(url: string, until?: string): Promise<Page>
}

/** Cookies do not tell ports apart, and here everything is on one machine: one jar. */
export function openBrowser(): Browser {
  const cookies = new Map<string, string>()
  return {
    cookies,
    async visit(url, until) {
      const visited: string[] = []
      for (let next = url; ;) {
        visited.push(next)
        if (until !== undefined && next.startsWith(until)) {
          return { url: next, status: 0, text: '', headers: new Headers(), visited }
        }
        const cookie = [...cookies].map(([name, value]) => `${name}=${value}`).join('; ')
        const response = await fetch(next, { redirect: 'manual', headers: cookie ? { cookie } : {} })
        for (const line of response.headers.getSetCookie()) {
          const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(line) ?? []
          if (/max-age=0/i.test(line)) cookies.delete(name)
          else cookies.set(name, value)
        }
        const location = response.headers.get('location')
        const { status, headers } = response
        if (status < 300 || status > 399 || !location) {
          return { url: next, status, text: await response.text(), headers, visited }
        }
        next = new URL(location, next).href
      }
    },
  }
}

export async function makeFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'stoa-sdk-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  return folder
}

/** What a `fetch` was called with. */
export function addressOf(input: string | URL | Request): string {
  return input instanceof Request ? input.url : input.toString()
}
