import type { IncomingMessage, ServerResponse } from 'node:http'
import {
  alreadyRead,
  createWebhookReceiver,
  maxBodyBytes,
  tooLarge,
  type WebhookAnswer,
  type WebhookOptions,
} from './receive-webhook.ts'

/** Fits `app.post(path, ...)` of Express 4 and 5, and `http.createServer(...)`. Always answers, never calls `next`. */
export type WebhookMiddleware = (
  req: IncomingMessage & { body?: unknown; rawBody?: unknown },
  res: ServerResponse,
  next?: (error?: unknown) => void,
) => void

/**
 * Receives webhooks in node: 204 when handled (or handled before), 400 when not to be believed, 500 when `onEvent`
 * threw. Mount it before body parsers, or leave the raw bytes in `req.rawBody` or, as a Buffer, in `req.body`.
 * @throws TypeError when the secret is missing or malformed.
 */
export function webhookMiddleware(options: WebhookOptions): WebhookMiddleware {
  const receive = createWebhookReceiver(options)
  return (req, res) => {
    getRawBody(req)
      .then((body) => (isAnswer(body) ? body : receive(req.headers, body)))
      .then((answer) => sendAnswer(res, answer))
      .catch(() => res.destroy()) // the sender hung up in the middle of its body
  }
}

async function getRawBody(req: Parameters<WebhookMiddleware>[0]): Promise<string | Uint8Array | WebhookAnswer> {
  for (const kept of [req.rawBody, req.body]) {
    if (typeof kept === 'string' || kept instanceof Uint8Array) return kept
  }
  // Not `req.body === undefined`: older body parsers set an empty object on requests they leave alone.
  return req.readableDidRead || req.readableEnded ? alreadyRead : readStream(req)
}

/** By events, because leaving a `for await` early destroys the socket, and the 413 with it. */
function readStream(req: IncomingMessage): Promise<Uint8Array | WebhookAnswer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    let size = 0
    const onData = (chunk: Buffer) => {
      chunks.push(chunk)
      size += chunk.length
      if (size <= maxBodyBytes) return
      req.off('data', onData).pause()
      resolve(tooLarge)
    }
    req.on('data', onData)
    req.once('end', () => resolve(Buffer.concat(chunks)))
    req.once('error', reject)
    req.once('close', () => reject(new Error('The request was cut off')))
  })
}

function sendAnswer(res: ServerResponse, { status, message }: WebhookAnswer): void {
  res.statusCode = status
  if (status === 413) res.setHeader('connection', 'close')
  if (message) res.setHeader('content-type', 'text/plain; charset=utf-8')
  res.end(message)
}

function isAnswer(body: string | Uint8Array | WebhookAnswer): body is WebhookAnswer {
  return typeof body === 'object' && 'status' in body
}
