import { EventSourceParserStream } from 'eventsource-parser/stream'
import { StoaApiError } from '@stoa/sdk'
import type { Forwarded } from './forward.ts'
import { requestHost, type HostOptions } from './reach-host.ts'

export interface StreamDelivery extends Forwarded {
  deliveryId: string
  attempt: number
  leaseToken: string
  type: string
}

export interface ReadOptions extends HostOptions {
  /** The stream’s endpoint. */
  id: string
  onDelivery: (delivery: StreamDelivery) => void
  onConnected: () => void
  signal: AbortSignal
}

/** Heartbeats come every 15 seconds; who hears none for so long sits on a dead connection. */
const silenceMilliseconds = 50_000

/**
 * Reads a stream until it ends. Throws what ended it: a StoaApiError when the host says why, anything else when the connection
 * broke.
 */
export async function readDeliveries(options: ReadOptions): Promise<void> {
  const silence = new AbortController()
  let timer: NodeJS.Timeout | undefined
  const heard = () => {
    clearTimeout(timer)
    timer = setTimeout(() => silence.abort(), silenceMilliseconds)
  }
  heard()
  try {
    const response = await requestHost(options, `/developers/webhooks/streams/${encodeURIComponent(options.id)}`, {
      accept: 'text/event-stream',
      signal: AbortSignal.any([options.signal, silence.signal]),
    })
    options.onConnected()
    const listened = new TransformStream<string, string>({
      transform(chunk, controller) {
        heard()
        controller.enqueue(chunk)
      },
    })
    const events = response
      .body!.pipeThrough(new TextDecoderStream())
      .pipeThrough(listened)
      .pipeThrough(new EventSourceParserStream())
    for await (const { event, data } of events) {
      if (event === 'delivery') options.onDelivery(JSON.parse(data) as StreamDelivery)
      if (event === 'end') throw endOf(data, response.headers)
    }
  } finally {
    clearTimeout(timer)
  }
}

const statuses: Record<string, number> = {
  unauthenticated: 401,
  invalid_token: 401,
  expired_token: 401,
  revoked_token: 401,
  missing_permission: 403,
  not_found: 404,
  wrong_state: 409,
}

/** Why the host ended the stream, as if it had refused to begin it. */
function endOf(data: string, headers: Headers): StoaApiError {
  const { code, message } = JSON.parse(data) as { code: string; message: string }
  return new StoaApiError(statuses[code] ?? 503, { code, detail: message }, headers)
}
