import { Client, type Dispatcher } from 'undici'
import type { buildConnector } from 'undici'

/** What a request learns about the connection it went over; undici does not tell. Handed in as `opaque`. */
export type ConnectionTrace = {
  /** Address of the peer of the latest connection that the request used. */
  remoteAddress(): string
  /** True when the request was sent on a connection that had been opened before, and no other was opened since. */
  wasReused(): boolean
}

/** A holder to pass as `opaque`; filled in when the request reaches a client. */
export type TraceHolder = { trace?: ConnectionTrace }

const clientOptions: Client.Options = {
  pipelining: 1,
  // Idle connections go after 10 s, 30 s at most when the receiver asks for it: 10,000 receivers must not hold 10,000 files.
  keepAliveTimeout: 10_000,
  keepAliveMaxTimeout: 30_000,
  // Both are per chunk and so no deadline at all; the one deadline is the caller's.
  headersTimeout: 0,
  bodyTimeout: 0,
  maxHeaderSize: 16_384,
}

/**
 * An undici Client (one connection at a time) that remembers which connection it has. An interceptor would be the usual
 * way, but `compose` returns a proxy, and a Pool compares its clients by identity.
 */
export function createTrackedClient(origin: URL, connect: buildConnector.connector): Client {
  let opened = 0
  let remoteAddress = ''
  const client = new Client(origin, {
    ...clientOptions,
    connect: (options, callback) =>
      connect(options, (...result) => {
        const [, socket] = result
        if (socket) {
          opened += 1
          remoteAddress = socket.remoteAddress ?? ''
        }
        callback(...result)
      }),
  })
  const dispatch = client.dispatch.bind(client)
  client.dispatch = (options: Dispatcher.DispatchOptions & { opaque?: unknown }, handler) => {
    const openedBefore = opened
    const holder = options.opaque as TraceHolder | undefined
    if (holder) {
      holder.trace = {
        remoteAddress: () => remoteAddress,
        wasReused: () => openedBefore > 0 && opened === openedBefore,
      }
    }
    return dispatch(options, handler)
  }
  return client
}
