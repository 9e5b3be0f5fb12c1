import type { Subject } from './bench.ts'
import { measureLoad } from './load.ts'
import { count, ms, printTable, ratio } from './table.ts'

/** Goal: an authenticated, scope-checked, rate-limited GET at 75 % of a bare Express GET. */
export async function benchReads({ host, bare }: Subject, seconds: number): Promise<void> {
  const { url, world } = host.ready
  const authorization = { authorization: `Bearer ${world.organization.apiKey}` }
  const rows: string[][] = []
  for (const clients of [1, 64]) {
    const bareGet = await measureLoad({
      url: bare.ready.url,
      clients,
      seconds,
      expect: 200,
      request: () => ({ method: 'GET', path: '/thing/loc_1' }),
    })
    const get = await measureLoad({
      url,
      clients,
      seconds,
      expect: 200,
      request: () => ({ method: 'GET', path: `/locations/${world.locations[0]!.id}`, headers: authorization }),
    })
    rows.push([
      `GET, ${clients} clients`,
      ratio(get.perSecond, bareGet.perSecond),
      count(get.perSecond),
      count(bareGet.perSecond),
      ms(get.p50),
      ms(get.p99),
    ])
  }
  printTable(
    ['authenticated GET with one row read', 'of bare Express', 'req/s', 'bare req/s', 'p50 ms', 'p99 ms'],
    rows,
  )
}
