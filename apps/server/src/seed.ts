import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { seedDemoWorld, type DemoWorld } from '@stoa/core/testing'
import type { Environment } from './environment.ts'
import { withHost } from './open-host.ts'

/**
 * `stoa seed`: makes the demo world once. Secrets are shown once and only their hashes are stored, so what was printed is also
 * kept in the home directory; run again, the same world with the same keys is printed.
 */
export async function seed(environment: Environment, options: { json?: boolean }): Promise<void> {
  const file = join(environment.home, 'demo.json')
  const world = await withHost(environment, async (host) => {
    const previous = await readFile(file, 'utf8').then(
      (text) => JSON.parse(text) as DemoWorld,
      () => null,
    )
    return seedDemoWorld(host, { baseUrl: environment.options.baseUrl!, previous })
  })
  await writeFile(file, `${JSON.stringify(world, null, 2)}\n`, { mode: 0o600 })
  if (!options.json) {
    console.log('The demo world is ready. What you need to act in it:\n')
  }
  console.log(JSON.stringify(world, null, 2))
}
