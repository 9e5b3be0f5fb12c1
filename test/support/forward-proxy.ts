import { createServer as createPlainServer, type IncomingHttpHeaders } from 'node:http'
import { createServer as createSecureServer } from 'node:https'
import { connect, type AddressInfo, type Socket } from 'node:net'
import type { ServerCertificate } from './certificates.ts'

type ProxyScript = {
  tls?: ServerCertificate
  /** `user:password` that must be given. */
  login?: string
  /** The head to answer CONNECT with instead of connecting; 'silence' for no answer. */
  says?: string
}

/** A proxy for CONNECT that takes every name for loopback. */
export async function openForwardProxy({ tls, login, says }: ProxyScript = {}) {
  const asked: { target: string; headers: IncomingHttpHeaders }[] = []
  const sockets = new Set<Socket>()
  const server = tls ? createSecureServer(tls) : createPlainServer()
  server.on('connection', (socket: Socket) => {
    sockets.add(socket)
    socket.on('error', () => {}).on('close', () => sockets.delete(socket))
  })
  server.on('connect', ({ url = '', headers }, client: Socket) => {
    asked.push({ target: url, headers })
    client.on('error', () => {})
    const expected = login === undefined ? undefined : `Basic ${Buffer.from(login).toString('base64')}`
    if (headers['proxy-authorization'] !== expected) {
      return client.end('HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic\r\n\r\n')
    }
    if (says === 'silence') return
    // Left open, as by a proxy that waits for a login; only one that says nothing hangs up.
    if (says !== undefined) client.on('end', () => client.end()).resume() // HTTP servers leave a half open
    if (says !== undefined) return says === '' ? client.end() : client.write(says)
    const target = connect(Number(/\d+$/.exec(url)), '127.0.0.1', () => {
      client.write('HTTP/1.1 200 Connection established\r\n\r\n')
      target.pipe(client).pipe(target)
    })
    target.on('error', () => client.destroy()).on('close', () => client.destroy())
    client.on('close', () => target.destroy())
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return {
    port,
    /** What CONNECT asked for, in order. */
    asked,
    /** Connections from the client that are open. */
    open: () => sockets.size,
    async close() {
      for (const socket of sockets) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
