import { createTestHost, type TestHost } from '@stoa/core/testing'
import type { HostConfig } from '@stoa/core'
import { afterAll } from 'vitest'
import './databases.ts'
import type { TestDatabase } from './databases.ts'

export interface Answer {
  status: number
  headers: Headers
  /** The parsed JSON, or the text, or undefined for an empty answer. */
  // oxlint-disable-next-line typescript/no-explicit-any -- tests look into bodies of every shape
  body: any
}

export interface CallOptions {
  token?: string
  body?: unknown
  headers?: Record<string, string>
}

export interface OpenedHost extends TestHost {
  /** One HTTP request, without any client in between. A string or Buffer body is sent as it is. */
  call(method: string, path: string, options?: CallOptions): Promise<Answer>
}

const running = new Set<() => Promise<void>>()

// Hooks run in reverse order, and databases.ts is loaded before this line, so hosts end before their databases are dropped.
afterAll(() => Promise.all([...running].map((stop) => stop())), 60_000)

/** The real host with the demo world on a fresh database of this kind; stopped after the test file. */
export async function openHost(database: TestDatabase, options: Partial<HostConfig> = {}): Promise<OpenedHost> {
  const { url: databaseUrl, drop } = await database.create()
  const opened = await createTestHost({ database: databaseUrl, ...options })
  const stop = async () => {
    if (!running.delete(stop)) return
    await opened.stop()
    await drop()
  }
  running.add(stop)
  return { ...opened, stop, call: (method, path, callOptions) => call(opened.url, method, path, callOptions) }
}

export async function call(url: string, method: string, path: string, options: CallOptions = {}): Promise<Answer> {
  const raw = typeof options.body === 'string' || options.body instanceof Uint8Array
  const response = await fetch(url + path, {
    method,
    redirect: 'manual',
    headers: {
      ...(options.token && { Authorization: `Bearer ${options.token}` }),
      ...(options.body !== undefined && !raw && { 'Content-Type': 'application/json' }),
      ...options.headers,
    },
    body: options.body === undefined ? undefined : raw ? (options.body as string) : JSON.stringify(options.body),
  })
  const text = await response.text()
  const json = /\bjson\b/.test(response.headers.get('content-type') ?? '')
  return {
    status: response.status,
    headers: response.headers,
    body: text === '' ? undefined : json ? JSON.parse(text) : text,
  }
}
