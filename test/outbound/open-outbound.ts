import { onTestFinished } from 'vitest'
import {
  createOutbound,
  type HostResolver,
  type OutboundOptions,
  type OutboundRequest,
} from '../../core/src/outbound/index.ts'
import { openHostileReceiver, type HostileScript } from '../support/hostile-receiver.ts'

/** DNS that says each of these names is on loopback, and no other is anywhere. */
export function loopbackNames(...names: string[]): HostResolver {
  return {
    resolve: async (name) => (names.includes(name) ? ['127.0.0.1'] : []),
    close: () => {},
  }
}

/** An outbound client that may reach this machine; closed with the test. */
export function openOutbound(options: Partial<OutboundOptions> = {}) {
  const outbound = createOutbound({ allowPrivateNetworks: true, allowHttp: true, userAgent: 'Stoa/test', ...options })
  onTestFinished(outbound.close)
  return outbound
}

/** A receiver that is closed with the test, before the client so that nothing is waited for. */
export async function openReceiver(script: HostileScript | HostileScript['received'], hostName?: string) {
  const receiver = await openHostileReceiver(
    typeof script === 'function' ? { received: script } : (script ?? {}),
    hostName,
  )
  onTestFinished(receiver.close)
  return receiver
}

export const post = (url: string, more: Partial<OutboundRequest> = {}): OutboundRequest => {
  return { method: 'POST', url, body: '{"a":"ä"}', timeoutMs: 5_000, maxResponseBytes: 1_000, ...more }
}

/** undici takes a connection back one turn of the event loop after the answer; sooner, the next request opens another. */
export const settle = () => new Promise((resolve) => setTimeout(resolve, 20))
