import { once } from 'node:events'
import type { Response } from 'express'
import type { Context } from '../context.ts'
import { StoaError } from '../kernel/index.ts'
import { renderServerSentEvent, type EventStream } from './event-stream.ts'
import { toStoaError } from './render-error.ts'

export interface EventStreamsOptions {
  heartbeatMilliseconds?: number
  mostPerOwner?: number
  most?: number
}

export interface StreamReader {
  /** Whose streams are counted together: an organization, or an address where there is no credential. */
  owner: string
  /** Throws 401, 403 or 404 when who reads may not any more. */
  recheck: () => Promise<void>
  /** A HEAD request: the headers and nothing else. */
  headersOnly: boolean
}

/** The open streams of one host. */
export interface EventStreams {
  /**
   * Sends the headers and goes on in the background, until the source ends or the client goes away. Throws 429 when the owner
   * has too many open, 503 when this process has.
   */
  serve(res: Response, stream: EventStream, reader: StreamReader): void
  /** Ends all streams, refuses new ones, and resolves when every source has given back what it held. */
  close(): Promise<void>
}

/** Proxies close what is silent for a minute, some for half of one. */
const defaultHeartbeat = 15_000
/** Heartbeats for which a client may take nothing before it counts as gone. */
const mostStalled = 4
const recheckMilliseconds = 1000

export function createEventStreams(
  { logger, signals }: Pick<Context, 'logger' | 'signals'>,
  { heartbeatMilliseconds = defaultHeartbeat, mostPerOwner = 20, most = 1000 }: EventStreamsOptions = {},
): EventStreams {
  const owners = new Map<string, number>()
  const running = new Set<{ done: Promise<void>; end: (reason: StoaError) => void; recheck: () => void }>()
  let closing = false
  let recheckAll: NodeJS.Timeout | undefined

  // A burst of changes is one recheck; a revocation is noticed within a second, on other processes with the next heartbeat.
  signals.on('credentials-changed', () => {
    if (running.size === 0) return
    recheckAll ??= setTimeout(() => {
      recheckAll = undefined
      for (const { recheck } of running) recheck()
    }, recheckMilliseconds).unref()
  })

  function admit(owner: string): void {
    if (closing) throw new StoaError('unavailable', { message: 'The host is stopping.', retryAfter: 2 })
    if ((owners.get(owner) ?? 0) >= mostPerOwner) {
      const message = `At most ${mostPerOwner} streams can be open at once; close one.`
      throw new StoaError('rate_limited', { message, retryAfter: 30 })
    }
    if (running.size >= most) throw new StoaError('unavailable', { retryAfter: 30 })
  }

  function serve(res: Response, stream: EventStream, { owner, recheck, headersOnly }: StreamReader): void {
    admit(owner)
    res.statusCode = 200
    res.setHeader('Content-Type', 'text/event-stream; charset=utf-8')
    // `no-transform` keeps compressing middleware from collecting what is to go out now; the other is nginx's word for it.
    res.setHeader('Cache-Control', 'no-store, no-transform')
    res.setHeader('X-Accel-Buffering', 'no')
    // It ends when it ends, and a server that is closing does not wait for what else might come.
    if (res.req.httpVersionMajor === 1) res.setHeader('Connection', 'close')
    if (headersOnly) return void res.end()
    res.flushHeaders()
    const ending = new AbortController()
    let reason: StoaError | null = null
    const end = (error: StoaError | null) => {
      reason ??= error
      ending.abort()
    }
    const again = async () => {
      try {
        await recheck()
      } catch (error) {
        // That the database cannot be asked says nothing about the credential.
        if (error instanceof StoaError && error.status < 500) end(error)
      }
    }
    let stalled = 0
    const heartbeat = setInterval(() => {
      if (!res.writableNeedDrain) {
        stalled = 0
        res.write(':\n\n')
      } else if (++stalled >= mostStalled) res.destroy()
      void again()
    }, heartbeatMilliseconds)
    res.once('close', () => end(null))
    const run = async () => {
      try {
        res.write(':\n\n')
        await pump(res, stream, ending.signal)
      } catch (error) {
        reason ??= toStoaError(error)
        if (reason.status >= 500 && !ending.signal.aborted) logger.error({ err: error }, 'a stream of events ended')
      } finally {
        clearInterval(heartbeat)
        if (reason && !res.destroyed) res.write(farewell(reason))
        res.end()
      }
    }
    owners.set(owner, (owners.get(owner) ?? 0) + 1)
    const entry = { done: run(), end, recheck: () => void again() }
    running.add(entry)
    void entry.done.finally(() => {
      running.delete(entry)
      const left = owners.get(owner)! - 1
      if (left > 0) owners.set(owner, left)
      else owners.delete(owner)
    })
  }

  return {
    serve,
    async close() {
      closing = true
      clearTimeout(recheckAll)
      const open = [...running]
      for (const { end } of open) end(new StoaError('unavailable', { message: 'The host is stopping.' }))
      await Promise.all(open.map(({ done }) => done))
    },
  }
}

/** Asks for the next event only when the one before has left, so that nothing piles up here for a client that is slow. */
async function pump(res: Response, stream: EventStream, signal: AbortSignal): Promise<void> {
  for await (const event of stream.open(signal)) {
    if (signal.aborted) return
    if (res.write(renderServerSentEvent(event))) continue
    await once(res, 'drain', { signal }).catch(() => {})
  }
}

/** The last event: why the stream ended, as error bodies say it. A client that is not told may simply connect again. */
function farewell({ code, message }: StoaError): string {
  return renderServerSentEvent({ event: 'end', data: JSON.stringify({ code, message }) })
}
