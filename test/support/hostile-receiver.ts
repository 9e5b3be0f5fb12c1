import { once } from 'node:events'
import { connect, createServer as createPlainServer, type AddressInfo, type Socket } from 'node:net'
import { createServer as createSecureServer, type TlsOptions } from 'node:tls'
import { Worker } from 'node:worker_threads'

/** A request as it came in, byte for byte. `number` counts over all connections, from 1. */
export type RawRequest = { number: number; head: string; body: Buffer }

/** What the receiver does; by default it accepts, reads and never answers. */
export type HostileScript = {
  /** A TCP connection stands; before any TLS. */
  connected?: (socket: Socket) => void
  /** A whole request is in: its head, and as much body as the head says. */
  received?: (socket: Socket, request: RawRequest) => void
  /** Leave all that is sent unread, so that the sender's window closes. */
  deaf?: boolean
  /** Speak TLS with this; `hostName` for the URL must be in the certificate, or not, as the test wants. */
  tls?: TlsOptions
}

/** A receiver over bare sockets, that does to its sender whatever the script says. */
export async function openHostileReceiver(script: HostileScript, hostName = '127.0.0.1') {
  const sockets = new Set<Socket>()
  const requests: RawRequest[] = []
  let connections = 0
  let gone = 0

  function serve(socket: Socket) {
    socket.on('error', () => {})
    if (script.deaf) return
    let unread: Buffer = Buffer.alloc(0)
    socket.on('data', (data) => {
      unread = Buffer.concat([unread, data])
      for (let next = takeRequest(unread); next; next = takeRequest(unread)) {
        unread = next.rest
        const request = { number: requests.length + 1, head: next.head, body: next.body }
        requests.push(request)
        script.received?.(socket, request)
      }
    })
  }

  const server = script.tls
    ? createSecureServer(script.tls, serve)
    : createPlainServer({ pauseOnConnect: script.deaf }, serve)
  server.on('tlsClientError', () => {})
  server.on('connection', (socket: Socket) => {
    connections += 1
    sockets.add(socket)
    socket.on('error', () => {})
    socket.on('close', () => {
      gone += socket.bytesWritten
      sockets.delete(socket)
    })
    script.connected?.(socket)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return {
    url: `${script.tls ? 'https' : 'http'}://${hostName}:${port}/hook`,
    port,
    requests,
    /** Connections ever accepted, and those still open. */
    connections: () => connections,
    open: () => sockets.size,
    /** Bytes that left for the sender, the kernel's buffers included. */
    bytesSent: () => [...sockets].reduce((sum, socket) => sum + socket.bytesWritten - socket.writableLength, gone),
    async close() {
      for (const socket of sockets) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

function takeRequest(bytes: Buffer) {
  const end = bytes.indexOf('\r\n\r\n')
  if (end < 0) return null
  const head = bytes.toString('latin1', 0, end)
  const size = Number(/^content-length: *(\d+)$/im.exec(head)?.[1] ?? 0)
  const from = end + 4
  if (bytes.length < from + size) return null
  return { head, body: bytes.subarray(from, from + size), rest: bytes.subarray(from + size) }
}

/** An ordinary answer; `head` is lines that each end in CR LF. */
export function answer(body = '', head = '', status = '200 OK') {
  return `HTTP/1.1 ${status}\r\nContent-Length: ${Buffer.byteLength(body)}\r\n${head}\r\n${body}`
}

/** Sends `text` bit by bit until the connection ends. */
export function drip(socket: Socket, text: string, everyMs = 20) {
  const timer = setInterval(() => socket.write(text), everyMs)
  socket.on('close', () => clearInterval(timer))
}

/** Sends `chunk` as fast as it is taken, `times` times. */
export function pour(socket: Socket, chunk: Buffer, times = Infinity) {
  let left = times
  const more = () => {
    while (left > 0 && !socket.destroyed) {
      left -= 1
      if (!socket.write(chunk)) return void socket.once('drain', more)
    }
  }
  more()
}

/**
 * A listening port that accepts nothing: its thread sleeps, and its queue is full, so the kernel leaves whoever comes
 * next without an answer.
 */
export async function openDeadPort() {
  const worker = new Worker(
    `const { parentPort } = require('node:worker_threads')
     const server = require('node:net').createServer()
     server.listen({ port: 0, host: '127.0.0.1', backlog: 1 }, () => {
       parentPort.postMessage(server.address().port)
       setImmediate(() => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0))
     })`,
    { eval: true },
  )
  const port = await new Promise<number>((resolve) => worker.once('message', resolve))
  const queued = [connect(port, '127.0.0.1'), connect(port, '127.0.0.1')]
  await Promise.all(queued.map((socket) => once(socket, 'connect')))
  return {
    port,
    async close() {
      for (const socket of queued) socket.on('error', () => {}).destroy()
      await worker.terminate()
    },
  }
}
