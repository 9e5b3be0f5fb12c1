import { setTimeout as sleep } from 'node:timers/promises'
import { createClient, StoaApiError, type Client } from '@stoa/sdk'
import { forward, type LocalAnswer } from './forward.ts'
import { baseUrlOf, CommandProblem, explain, keyOf, type HostOptions } from './reach-host.ts'
import { readDeliveries, type StreamDelivery } from './read-deliveries.ts'

export interface ListenOptions extends HostOptions {
  forwardTo?: string
  /** Comma-separated types and patterns. */
  types: string
  application?: string
  keep?: boolean
  json?: boolean
}

const firstPause = 500
const longestPause = 10_000
const reportTries = 4

/**
 * `stoa listen`: an endpoint for as long as the command runs. Events come over a connection that this machine opened, are sent
 * on to a local address as they would be to a public one, and the answers go back into the history.
 */
export async function listen(options: ListenOptions): Promise<void> {
  const target = targetOf(options.forwardTo)
  const client = createClient({ baseUrl: baseUrlOf(options), token: keyOf(options) })
  const stopping = new AbortController()
  const stop = () => {
    // Whoever asks twice does not want to wait.
    if (stopping.signal.aborted) process.exit(130)
    stopping.abort()
  }
  process.on('SIGINT', stop)
  process.on('SIGTERM', stop)
  const problem = (error: unknown) => explain(error, options.hostUrl)

  const endpoint = await createStream(client, options).catch((error: unknown) => {
    throw problem(error)
  })
  introduce(options, endpoint, target)
  const underWay = new Set<Promise<void>>()
  const onDelivery = (delivery: StreamDelivery) => {
    const handled: Promise<void> = handle(delivery).finally(() => underWay.delete(handled))
    underWay.add(handled)
  }

  async function handle(delivery: StreamDelivery): Promise<void> {
    const answer = target
      ? await forward(target, delivery, stopping.signal)
      : { status: 200, headers: {}, body: '', error: null, milliseconds: 0 }
    // Asked to stop in the middle: nothing is known of the receiver, so nothing is said of it.
    if (answer.status === null && stopping.signal.aborted) return
    tell(options, delivery, answer)
    await report(client, endpoint.id, delivery, answer).catch((error: unknown) => {
      console.error(`stoa: The answer could not be recorded, the event will come again: ${(error as Error).message}`)
    })
  }

  try {
    await keepReading({ ...options, id: endpoint.id, onDelivery, signal: stopping.signal })
  } catch (error) {
    throw problem(error)
  } finally {
    await Promise.all(underWay)
    await remove(client, endpoint.id, options)
    process.off('SIGINT', stop)
    process.off('SIGTERM', stop)
  }
}

function targetOf(forwardTo: string | undefined): URL | null {
  if (forwardTo === undefined) return null
  const url = URL.canParse(forwardTo) ? new URL(forwardTo) : null
  if (url && /^https?:$/.test(url.protocol)) return url
  throw new CommandProblem(
    `--forward-to must be an address such as http://localhost:3000/webhooks, not "${forwardTo}".`,
  )
}

function createStream(client: Client, { types, application, keep }: ListenOptions) {
  const events = types
    .split(',')
    .map((each) => each.trim())
    .filter(Boolean)
  return client.createWebhookStream({
    body: {
      events,
      description: 'stoa listen',
      ...(application !== undefined && { applicationId: application }),
      ...(keep && { kept: true }),
    },
  })
}

type Endpoint = Awaited<ReturnType<typeof createStream>>

function introduce({ json, types }: ListenOptions, { id, secret }: Endpoint, target: URL | null): void {
  if (json) return console.log(JSON.stringify({ endpoint: id, secret }))
  console.log(`Endpoint:       ${id}`)
  console.log(`Signing secret: ${secret}`)
  console.log(target ? `Forwarding ${types} to ${target.href}` : `Showing ${types}; --forward-to sends them on`)
}

/** Reads, and reads again when the connection broke. Returns when it is asked to stop; throws what trying again cannot mend. */
async function keepReading(options: Omit<Parameters<typeof readDeliveries>[0], 'onConnected'>): Promise<void> {
  const { signal } = options
  let pause = firstPause
  let told = false
  const onConnected = () => {
    if (told) console.error('stoa: Connected again.')
    else if (pause === firstPause) console.error('stoa: Connected.')
    pause = firstPause
    told = false
  }
  while (!signal.aborted) {
    try {
      await readDeliveries({ ...options, onConnected })
    } catch (error) {
      if (signal.aborted) return
      if (error instanceof StoaApiError && !isPassing(error)) throw error
    }
    if (signal.aborted) return
    if (!told) console.error('stoa: The connection to the host is gone; trying again …')
    told = true
    await sleep(pause * (0.75 + Math.random() / 2), undefined, { signal }).catch(() => {})
    pause = Math.min(longestPause, pause * 2)
  }
}

function isPassing({ status }: StoaApiError): boolean {
  return status === 429 || status >= 500
}

function tell({ json, forwardTo }: ListenOptions, delivery: StreamDelivery, answer: LocalAnswer): void {
  const { type, deliveryId, attempt, headers, body } = delivery
  const { status, error, milliseconds } = answer
  const eventId = headers['webhook-id'] ?? deliveryId
  if (json) {
    const shown = forwardTo === undefined ? { body } : { status, milliseconds, ...(error !== null && { error }) }
    return console.log(JSON.stringify({ type, id: eventId, deliveryId, attempt, ...shown }))
  }
  if (forwardTo === undefined) return console.log(`${type} ${eventId} ${body}`)
  console.log(`${type} ${eventId} ${status ?? error} ${milliseconds} ms`)
  const [line] = answer.body.split('\n')
  if (status !== null && (status < 200 || status > 299) && line) console.log(`  ${line}`)
}

/** Again when the connection breaks, because an answer that is not recorded has the event sent again. */
async function report(
  client: Client,
  id: string,
  { deliveryId, attempt, leaseToken }: StreamDelivery,
  { status, headers, body, error, milliseconds }: LocalAnswer,
): Promise<void> {
  for (let left = reportTries; ; left--) {
    try {
      return await client.answerWebhookStream({
        params: { id },
        body: {
          ...{ deliveryId, attempt, leaseToken, status, headers, body },
          ...(error !== null && { error: error.slice(0, 500) }),
          durationMilliseconds: milliseconds,
        },
      })
    } catch (failure) {
      const passing = !(failure instanceof StoaApiError) || isPassing(failure)
      if (!passing || left <= 1) throw failure
      await sleep(firstPause)
    }
  }
}

async function remove(client: Client, id: string, { keep, hostUrl }: ListenOptions): Promise<void> {
  if (keep) return console.error(`stoa: The endpoint ${id} is kept; what happens now waits for it.`)
  try {
    await client.deleteWebhookEndpoint({ params: { id } })
  } catch (error) {
    if (error instanceof StoaApiError && error.status === 404) return
    const { message } = explain(error, hostUrl) as Error
    console.error(`stoa: The endpoint ${id} could not be deleted; the host does so in a day. ${message}`)
  }
}
