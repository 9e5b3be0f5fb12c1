import { alreadyRead, createWebhookReceiver, maxBodyBytes, tooLarge, type WebhookOptions } from './receive-webhook.ts'

/**
 * Receives webhooks where requests are those of the Fetch standard (Hono, Next.js, Bun, Deno, workers with node:crypto).
 * Answers as `webhookMiddleware` does.
 * @throws TypeError when the secret is missing or malformed.
 */
export function fetchWebhookHandler(options: WebhookOptions): (request: Request) => Promise<Response> {
  const receive = createWebhookReceiver(options)
  return async (request) => {
    const body = request.bodyUsed ? alreadyRead : await readBody(request)
    const { status, message } = body instanceof Uint8Array ? await receive(request.headers, body) : body
    return new Response(message ?? null, { status })
  }
}

async function readBody(request: Request): Promise<Uint8Array | typeof tooLarge> {
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of request.body ?? []) {
    chunks.push(chunk)
    size += chunk.length
    if (size > maxBodyBytes) return tooLarge
  }
  return Buffer.concat(chunks)
}
