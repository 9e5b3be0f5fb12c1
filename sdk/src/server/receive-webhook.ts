import { createSeenIds, type SeenIds } from './seen-ids.ts'
import { decodeSecrets, verifyWebhook, type WebhookHeadersInput } from './verify-webhook.ts'
import { toWebhookEvent, type WebhookEvent } from './webhook-event.ts'
import { WebhookVerificationError } from './webhook-verification-error.ts'

export type WebhookOptions = {
  /** The `whsec_...` secret of the endpoint, or its `whpk_...` public key; several while you are changing it. */
  secret: string | readonly string[]
  /** Called once per delivery. When it throws, the host is answered 500 and tries again later. */
  onEvent: (event: WebhookEvent) => unknown
  /** Seconds that the timestamp may be from now, either way; default 300. */
  tolerance?: number
  /** Where handled deliveries are remembered; default: the last 10,000, in memory. */
  seen?: SeenIds
  /** Told what `onEvent` or `seen` threw; default `console.error`. The host is never told. */
  onError?: (error: unknown) => void
}

/** What to answer; `message` is for the author, who reads it in the host's list of attempts. */
export type WebhookAnswer = { status: 204 | 400 | 413 | 500; message?: string }

export type WebhookReceiver = (headers: WebhookHeadersInput, body: string | Uint8Array) => Promise<WebhookAnswer>

/** No delivery is near this; a body is not read further. */
export const maxBodyBytes = 1_048_576

export const tooLarge: WebhookAnswer = { status: 413, message: 'The body is larger than 1 MB.' }

export const alreadyRead: WebhookAnswer = {
  status: 400,
  message:
    'The raw body is gone: a body parser read it before the webhook handler. Mount the handler before express.json(), ' +
    'or use express.raw({ type: "*/*" }) on its path, or keep the bytes as req.rawBody.',
}

/**
 * The core under the transport adapters: verifies, recognises repetitions, calls `onEvent`, says what to answer.
 * A delivery is remembered after `onEvent` is done, not before: better handled twice than lost.
 * @throws TypeError when the secret is missing or malformed, at once and not at the first request.
 */
export function createWebhookReceiver(options: WebhookOptions): WebhookReceiver {
  const { secret, onEvent, tolerance, seen = createSeenIds() } = options
  // oxlint-disable-next-line no-console -- a library that knows of no log must not swallow what a handler threw
  const onError = options.onError ?? console.error
  decodeSecrets(secret)
  const running = new Map<string, Promise<WebhookAnswer>>()

  async function handle(event: WebhookEvent): Promise<WebhookAnswer> {
    try {
      if (await seen.has(event.id)) return { status: 204 }
      await onEvent(event)
      await seen.add(event.id)
      return { status: 204 }
    } catch (error) {
      onError(error)
      return { status: 500, message: 'The handler failed; see the log of the application.' }
    }
  }

  return async (headers, body) => {
    try {
      const verified = verifyWebhook({ headers, body, secrets: secret, toleranceSeconds: tolerance ?? 300 })
      // A second try can come while the first is still being handled: it waits for the same outcome.
      const started = running.get(verified.id)
      if (started) return await started
      const handling = handle(toWebhookEvent(verified)).finally(() => running.delete(verified.id))
      running.set(verified.id, handling)
      return await handling
    } catch (error) {
      if (!(error instanceof WebhookVerificationError)) throw error
      return { status: 400, message: error.message }
    }
  }
}
