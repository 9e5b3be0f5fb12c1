import { request as requestHttp } from 'node:http'
import { request as requestHttps } from 'node:https'

/** The request that a receiver would get, as it came over the stream. */
export interface Forwarded {
  method: string
  headers: Record<string, string>
  body: string
}

export interface LocalAnswer {
  /** Null when there was none; `error` says why. */
  status: number | null
  headers: Record<string, string>
  /** Its beginning. */
  body: string
  error: string | null
  milliseconds: number
}

const keptBytes = 4096
const keptHeaders = 100
const timeoutMilliseconds = 30_000

/**
 * Makes the request to an address on this machine: these headers, these bytes, no redirects. Not `fetch`, which adds headers of
 * its own. Never rejects.
 */
export function forward(to: URL, { method, headers, body }: Forwarded, signal: AbortSignal): Promise<LocalAnswer> {
  const started = performance.now()
  const bytes = Buffer.from(body, 'utf8')
  const since = () => Math.round(performance.now() - started)
  return new Promise((resolve) => {
    const fail = (error: Error & { code?: string }) =>
      resolve({ status: null, headers: {}, body: '', error: error.code ?? error.message, milliseconds: since() })
    const send = to.protocol === 'https:' ? requestHttps : requestHttp
    const request = send(
      to,
      // A connection for each: a development server that restarts leaves stale ones behind.
      { method, agent: false, headers: { ...headers, 'content-length': bytes.length }, signal },
      (answer) => {
        const chunks: Buffer[] = []
        let size = 0
        const done = () => {
          clearTimeout(deadline)
          resolve({
            status: answer.statusCode ?? 0,
            headers: kept(answer.headers),
            // NUL, which databases cannot store, comes from nobody who answers in text.
            body: Buffer.concat(chunks)
              .subarray(0, keptBytes)
              .toString('utf8')
              .replaceAll('\0', '\uFFFD')
              .slice(0, keptBytes),
            error: null,
            milliseconds: since(),
          })
          request.destroy()
        }
        answer.on('data', (chunk: Buffer) => {
          chunks.push(chunk)
          size += chunk.length
          if (size >= keptBytes) done()
        })
        answer.once('end', done)
        // The status is known: a body that breaks off takes nothing back.
        answer.once('error', done)
      },
    )
    const deadline = setTimeout(() => {
      request.destroy(Object.assign(new Error('timeout'), { code: `no answer within ${timeoutMilliseconds / 1000} s` }))
    }, timeoutMilliseconds)
    request.once('error', (error) => {
      clearTimeout(deadline)
      fail(error)
    })
    request.end(bytes)
  })
}

function kept(headers: Record<string, string | string[] | undefined>): Record<string, string> {
  const entries = Object.entries(headers).slice(0, keptHeaders)
  return Object.fromEntries(
    entries.map(([name, value]) => [name, [value ?? ''].flat().join(', ').replaceAll('\0', '').slice(0, keptBytes)]),
  )
}
