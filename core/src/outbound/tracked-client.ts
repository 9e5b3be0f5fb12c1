import { Client, type Dispatcher } from 'undici'
import { notConnected } from './outbound-failure.ts'
import type { Connected, GuardedConnector } from './guarded-connector.ts'

/** What a request learns about the connection it goes over; undici does not tell. Handed in as `opaque`. */
export type Progress = {
  /** Of the connection that the request was last sent on; null while there is none, and behind a proxy. */
  remoteAddress: string | null
  /** What opening that connection took; null when it was kept from an earlier request. */
  connectMilliseconds: number | null
  /** When the first byte of the answer came, by `performance.now()`. */
  firstByteAt: number | null
  /** True when the request was sent on a connection that carried others before, and no other was opened since. */
  reused: boolean
  /** True while the egress proxy has yet to answer. */
  atProxy: boolean
  /** Set by the caller once it wants no more of this request: answered, cut off or out of time. */
  over: boolean
}

export function startProgress(): Progress {
  return {
    remoteAddress: null,
    connectMilliseconds: null,
    firstByteAt: null,
    reused: false,
    atProxy: false,
    over: false,
  }
}

/** Fails a connection that no request waits for. One that came in the very moment may get it, and is to go elsewhere. */
export const nobodyWaits = notConnected()

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
export function createTrackedClient(origin: URL, connect: GuardedConnector): Client {
  let connected: Connected | null = null
  let progress = startProgress()
  let atProxy = false

  function takeUp(opened: Connected, connectMilliseconds: number) {
    const { socket, remoteAddress } = opened
    connected = opened
    Object.assign(progress, { remoteAddress, connectMilliseconds, reused: false })
    // Before undici's own listener, which empties the socket.
    socket.on('readable', () => {
      if (socket.readableLength > 0) progress.firstByteAt ??= performance.now()
    })
    socket.once('close', () => {
      if (connected === opened) connected = null
    })
  }

  const client = new Client(origin, {
    ...clientOptions,
    connect: (target, callback) => {
      // After an abort undici opens a connection for the very request that was aborted: a receiver that hangs would get
      // two connections for each request. Failing here is heard by nobody, and undici then drops the request.
      if (progress.over) return callback(nobodyWaits, null)
      const started = performance.now()
      const onProxy = (waiting: boolean) => {
        atProxy = progress.atProxy = waiting
      }
      connect(target, onProxy, (failure, opened) => {
        if (!opened) return callback(failure ?? new Error('no connection'), null)
        takeUp(opened, performance.now() - started)
        callback(null, opened.socket)
      })
    },
  })
  const dispatch = client.dispatch.bind(client)
  client.dispatch = (options: Dispatcher.DispatchOptions & { opaque?: unknown }, handler) => {
    progress = (options.opaque as Progress | undefined) ?? startProgress()
    progress.atProxy = atProxy
    if (connected) Object.assign(progress, { remoteAddress: connected.remoteAddress, reused: true })
    return dispatch(options, handler)
  }
  return client
}
