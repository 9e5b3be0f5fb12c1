import { request } from 'node:http'
import type { AddressInfo } from 'node:net'
import { EventEmitter } from 'eventemitter3'
import express, { type Express, type RequestHandler } from 'express'
import { afterAll } from 'vitest'
import { parseConfig, type ConfigInput } from '../../core/src/config.ts'
import { LifecycleEmitter, type Context } from '../../core/src/context.ts'
import { openDatabase } from '../../core/src/database/index.ts'
import {
  createEventStreams,
  mountOperations,
  notFoundHandler,
  type Authenticate,
  type EventStreamsOptions,
  type Operation,
} from '../../core/src/http/index.ts'
import { createSecretBox, createSigningKeys, type Clock, type Logger } from '../../core/src/kernel/index.ts'
import { createMetrics } from '../../core/src/metrics/index.ts'
import type { TestDatabase } from '../support/databases.ts'
import { call, type Answer, type CallOptions } from '../support/host.ts'

/** For what has nothing to do with the database. */
export const memory: TestDatabase = {
  kind: 'sqlite',
  create: () => Promise.resolve({ url: ':memory:', drop: () => Promise.resolve() }),
}

/** Listens until the end of the test file. */
export async function serve(app: Express | RequestHandler): Promise<string> {
  const outer = express().disable('x-powered-by').use(app)
  const server = await new Promise<ReturnType<Express['listen']>>((resolve) => {
    const listening = outer.listen(0, '127.0.0.1', () => resolve(listening))
  })
  afterAll(() => {
    server.closeAllConnections()
    server.close()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

export interface LogLine {
  level: string
  details: object
  message?: string
}

/** A logger that keeps its lines. */
export function keepLog(): { lines: LogLine[]; logger: Logger } {
  const lines: LogLine[] = []
  const at = (level: string) => (details: object, message?: string) => void lines.push({ level, details, message })
  return { lines, logger: { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') } }
}

export interface MountedOptions {
  authenticate?: Authenticate
  clock?: Clock
  config?: Partial<ConfigInput>
  streams?: EventStreamsOptions
  logger?: Logger
}

/** The host's HTTP layer with operations of the test's own, and nothing behind it. */
export async function mountOwn(
  operations: Operation[],
  { authenticate, clock, config, streams: streamOptions, logger: ownLogger }: MountedOptions = {},
) {
  const { lines, logger: keeping } = keepLog()
  const logger = ownLogger ?? keeping
  const database = await openDatabase(':memory:')
  afterAll(() => database.close())
  const context: Context = {
    db: database.knex,
    dialect: database.dialect,
    config: parseConfig({ secret: 'a secret that only tests know, 32+', mode: 'test', ...config }),
    clock: clock ?? { now: () => new Date() },
    logger,
    metrics: createMetrics({ clock: clock ?? { now: () => new Date() } }),
    secretBox: createSecretBox(['x'.repeat(32)]),
    signingKeys: createSigningKeys(['x'.repeat(32)]),
    files: { put: () => Promise.resolve(), get: () => Promise.resolve(null) },
    lifecycle: new LifecycleEmitter(logger),
    signals: new EventEmitter(),
  }
  const app = express()
  const refuse: Authenticate = () => Promise.reject(new Error('this operation takes no credential'))
  const streams = createEventStreams(context, streamOptions)
  app.use(
    mountOperations({ context, authenticate: authenticate ?? refuse, operations, streams }),
    notFoundHandler(context),
  )
  const url = await serve(app)
  return {
    url,
    lines,
    context,
    streams,
    call: (method: string, path: string, options?: CallOptions) => call(url, method, path, options),
  }
}

export interface RawRequest {
  method?: string
  path: string
  headers?: Record<string, string | string[]>
  body?: Buffer | string
}

/** A request exactly as given: fetch tidies paths up and adds headers. */
export function send(
  url: string,
  { method = 'GET', path, headers, body }: RawRequest,
): Promise<Answer & { text: string }> {
  const { hostname, port } = new URL(url)
  return new Promise((resolve, reject) => {
    const outgoing = request({ hostname, port, method, path, headers, agent: false }, (response) => {
      const chunks: Buffer[] = []
      response.on('data', (chunk: Buffer) => chunks.push(chunk))
      response.on('error', reject)
      response.on('end', () => {
        const text = Buffer.concat(chunks).toString('utf8')
        const answered = Object.entries(response.headers).flatMap(([name, value]) =>
          [value ?? []].flat().map((each): [string, string] => [name, each]),
        )
        const json = /\bjson\b/.test(response.headers['content-type'] ?? '')
        const parsed: unknown = json && text !== '' ? JSON.parse(text) : text
        resolve({ status: response.statusCode ?? 0, headers: new Headers(answered), body: parsed, text })
      })
    })
    outgoing.on('error', reject)
    outgoing.end(body)
  })
}

/** The members that every error body has: RFC 9457's and those that the seeds' clients look for. */
export const errorMembers = [
  'code',
  'detail',
  'error',
  'instance',
  'message',
  'status',
  'statusCode',
  'title',
  'traceId',
  'type',
]
