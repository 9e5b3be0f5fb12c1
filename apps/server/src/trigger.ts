import { explain, keyOf, requestHost, type HostOptions } from './reach-host.ts'

export interface TriggerOptions extends HostOptions {
  endpoint?: string
  application?: string
}

const timeoutMilliseconds = 30_000

/** `stoa trigger`: has the host send an example of an event, to whoever would get a real one, or to one endpoint. */
export async function trigger(type: string, options: TriggerOptions): Promise<void> {
  keyOf(options)
  const path =
    options.endpoint === undefined
      ? '/developers/webhooks/test-events'
      : `/developers/webhooks/endpoints/${encodeURIComponent(options.endpoint)}/test`
  const body = { type, ...(options.application !== undefined && { applicationId: options.application }) }
  try {
    const signal = AbortSignal.timeout(timeoutMilliseconds)
    const answer = await requestHost(options, path, { method: 'POST', body, signal })
    const { id, deliveries } = (await answer.json()) as { id: string; deliveries: number }
    console.log(`${type} ${id}: ${deliveries === 1 ? '1 delivery' : `${deliveries} deliveries`}`)
    if (deliveries === 0) console.error('stoa: No endpoint wants events of this type; `stoa listen` makes one.')
  } catch (error) {
    throw explain(error, options.hostUrl)
  }
}
