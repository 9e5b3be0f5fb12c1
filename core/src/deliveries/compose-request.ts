import { bodyOf, renderTemplate, signHighLevel, signingKeys, signWebhook, type EventsContext } from '../events/index.ts'
import type { OutboundRequest } from '../outbound/index.ts'
import type { Claimed } from './claim-deliveries.ts'
import type { Load } from './send-delivery.ts'

export const keptResponseBytes = 4096

const bodiless = new Set(['GET', 'DELETE'])

/**
 * The request of one try. Whatever the endpoint's owner adds, what is signed are the very bytes that are sent; without a body,
 * the empty one.
 *
 * @throws when the event cannot be made ready: the enrich hook failed, or a template makes too much of it.
 */
export async function composeRequest(ctx: EventsContext, claimed: Claimed, load: Load): Promise<OutboundRequest> {
  const { event, target, keys } = load
  const body = bodiless.has(target.method) ? '' : await composeBody(ctx, claimed, load)
  const timestamp = ctx.clock.now()
  const { credentials } = keys
  return {
    method: target.method,
    url: target.url,
    headers: {
      ...ownHeaders(load),
      ...(body !== '' && { 'content-type': 'application/json' }),
      ...signWebhook({ id: event.id, timestamp, body, keys: signingKeys(keys, timestamp.toISOString()) }),
      ...(claimed.format === 'highlevel' && signHighLevel(body, ctx.signingKeys.ed25519.privateKey)),
    },
    ...(body !== '' && { body }),
    ...(credentials && { credentials }),
    timeoutMs: target.timeoutMilliseconds ?? ctx.config.webhooks.timeoutMilliseconds,
    maxResponseBytes: keptResponseBytes,
  }
}

/** What the owner adds; a credential says who the host is, so that no second `authorization` contradicts it. */
function ownHeaders({ keys: { headers, credentials } }: Load): Record<string, string> {
  const sent = headers.map(({ name, value }) => [name.toLowerCase(), value] as const)
  return Object.fromEntries(sent.filter(([name]) => !credentials || name !== 'authorization'))
}

async function composeBody(ctx: EventsContext, { format }: Claimed, { event, target }: Load): Promise<string> {
  const text = await bodyOf(ctx, format, event, ctx.clock.now())
  if (target.bodyTemplate === null) return text
  return renderTemplate(target.bodyTemplate, JSON.parse(text) as object, ctx.config.webhooks.payloadLimitBytes)
}
