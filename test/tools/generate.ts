import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { configSchema, createHost, errorCatalogue, eventCatalogue } from '@stoa/core'
import { generateClient, type OpenApi } from './generate-client.ts'
import { renderLintConfig } from './lint-order.ts'
import {
  configReference,
  errorReference,
  eventReference,
  operationReference,
  permissionReference,
} from './generate-reference.ts'

/**
 * Writes everything that is made from the host's definitions: the typed client and the reference pages. With `--check` writes
 * nothing and fails when a committed file differs, which is what CI runs.
 */
const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..')
const host = await createHost({ database: ':memory:', secret: 'only-for-generating-documentation!' })
const document = host.openApi() as unknown as OpenApi

const files: Record<string, string> = {
  'sdk/src/client/generated.ts': generateClient(document),
  '.oxlintrc.json': await renderLintConfig(),
  'docs/reference/openapi.json': `${JSON.stringify(document, null, 2)}\n`,
  'docs/reference/api.md': operationReference(host.operations),
  'docs/reference/permissions.md': permissionReference(host.services.permissions()),
  'docs/reference/errors.md': errorReference(errorCatalogue),
  'docs/reference/events.md': eventReference(eventCatalogue),
  'docs/reference/configuration.md': configReference(configSchema),
}
await host.stop()

const check = process.argv.includes('--check')
const drifted: string[] = []
for (const [name, content] of Object.entries(files)) {
  const path = join(root, name)
  const present = await readFile(path, 'utf8').catch(() => null)
  if (present === content) continue
  drifted.push(name)
  if (check) continue
  await mkdir(dirname(path), { recursive: true })
  await writeFile(path, content)
}
if (check && drifted.length > 0) {
  console.error(`Out of date: ${drifted.join(', ')}. Run "npm run generate" and commit the result.`)
  process.exitCode = 1
} else {
  console.log(drifted.length > 0 ? `Written: ${drifted.join(', ')}` : 'Everything generated is up to date.')
}
