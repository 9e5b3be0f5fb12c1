import { Pool } from 'undici'

export interface Load {
  url: string
  clients: number
  seconds: number
  /** Makes the next request; `n` counts from 0 over all clients. */
  request: (n: number) => { method: 'GET' | 'POST'; path: string; headers?: Record<string, string>; body?: string }
  expect: number
}

export interface Measured {
  perSecond: number
  p50: number
  p99: number
  requests: number
}

/** A closed loop: each client sends its next request when the last was answered. Any unexpected status ends the run. */
export async function measureLoad({ url, clients, seconds, request, expect }: Load): Promise<Measured> {
  const pool = new Pool(url, { connections: clients, pipelining: 1 })
  const latencies: number[] = []
  let n = 0
  let measuring = false
  let stopped = false

  async function client(): Promise<void> {
    while (!stopped) {
      const started = performance.now()
      const { statusCode, body } = await pool.request(request(n++))
      if (statusCode !== expect) throw new Error(`expected ${expect}, got ${statusCode}: ${await body.text()}`)
      await body.dump()
      if (measuring) latencies.push(performance.now() - started)
    }
  }

  const running = Promise.all(Array.from({ length: clients }, client))
  await wait(Math.min(1, seconds / 3)) // warm up
  measuring = true
  const started = performance.now()
  await Promise.race([wait(seconds), running])
  measuring = false
  const elapsed = (performance.now() - started) / 1000
  stopped = true
  await running
  await pool.close()
  latencies.sort((a, b) => a - b)
  return {
    perSecond: latencies.length / elapsed,
    p50: percentile(latencies, 0.5),
    p99: percentile(latencies, 0.99),
    requests: latencies.length,
  }
}

export interface OpenLoad extends Omit<Load, 'clients'> {
  perSecond: number
}

/**
 * An open loop: requests leave at a rate, whatever became of those before, and each is timed from the moment at which it should have
 * left. What a server cannot keep up with is seen as waiting.
 */
export async function measureOpenLoop({ url, perSecond, seconds, request, expect }: OpenLoad): Promise<Measured> {
  const pool = new Pool(url, { connections: 256, pipelining: 1 })
  const latencies: number[] = []
  const warmUp = Math.min(1, seconds / 3)
  const started = performance.now()
  const underWay: Promise<void>[] = []
  const total = Math.floor((seconds + warmUp) * perSecond)

  async function send(n: number, due: number): Promise<void> {
    const { statusCode, body } = await pool.request(request(n))
    if (statusCode !== expect) throw new Error(`expected ${expect}, got ${statusCode}: ${await body.text()}`)
    await body.dump()
    if (due - started >= warmUp * 1000) latencies.push(performance.now() - due)
  }

  for (let n = 0; n < total; n++) {
    const due = started + (n * 1000) / perSecond
    while (performance.now() < due) await new Promise((resolve) => setTimeout(resolve, 1))
    underWay.push(send(n, due))
  }
  await Promise.all(underWay)
  const elapsed = (performance.now() - started) / 1000 - warmUp
  await pool.close()
  latencies.sort((a, b) => a - b)
  return {
    perSecond: latencies.length / elapsed,
    p50: percentile(latencies, 0.5),
    p99: percentile(latencies, 0.99),
    requests: latencies.length,
  }
}

export function percentile(sorted: number[], share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? NaN
}

export function wait(seconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, seconds * 1000))
}
