/**
 * Makes `.oxlintrc.json`: `npx tsx test/tools/lint-order.ts` writes it; `test/architecture/slice-order.test.ts` fails when
 * the committed one differs.
 *
 * It is generated because the order of the slices is one list, while the linter wants it spelt out for every slice at
 * every depth. A TypeScript configuration would do without the file, but oxlint loads one only on a Node that runs
 * TypeScript by itself, and Node 20 does not.
 */
import { readFile, writeFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { format, resolveConfig } from 'prettier'

/**
 * The order of `core/src`, lowest first: each imports only those before it, and of a folder only its `index.ts`.
 * A name with an extension is a single file. A new slice is added here, or nothing in it may import anything.
 */
export const ORDER = [
  'kernel',
  'version.ts',
  'config.ts',
  'database',
  'metrics',
  'context.ts',
  'http',
  'outbound',
  'accounts',
  'access',
  'events',
  'deliveries',
  'applications',
  'connections',
  'installations',
  'wallet',
  'oauth',
  'resources',
  'inspect-database.ts',
  'check-secret.ts',
  'services.ts',
  'relay-signals.ts',
  'host.ts',
  'index.ts',
  'testing',
] as const

const root = new URL('../../', import.meta.url)
const target = fileURLToPath(new URL('.oxlintrc.json', root))

/** Folders within folders of a slice that may still look out of it. */
const MAX_DEPTH = 2

type RestrictedImports = { paths?: object[]; patterns: object[] }

/** The text of `.oxlintrc.json`, formatted as Prettier would. */
export async function renderLintConfig(): Promise<string> {
  return format(JSON.stringify(createLintConfig()), { ...(await resolveConfig(target)), filepath: target })
}

/** Writes `.oxlintrc.json`, or with `check` throws when the committed one is not what would be written. */
export async function generateLintConfig({ check }: { check: boolean }): Promise<void> {
  const rendered = await renderLintConfig()
  if (!check) return await writeFile(target, rendered)
  const committed = await readFile(target, 'utf8').catch(() => '')
  if (committed !== rendered) throw new Error('.oxlintrc.json is not what test/tools/lint-order.ts makes: run it')
}

function createLintConfig() {
  return {
    $schema: './node_modules/oxlint/configuration_schema.json',
    plugins: ['typescript', 'unicorn', 'oxc', 'import', 'node'],
    categories: { correctness: 'error' },
    ignorePatterns: ['**/node_modules/**', '**/dist/**', 'sdk/src/client/generated.ts', 'docs/reference/**'],
    rules: {
      'typescript/no-floating-promises': 'error',
      'typescript/no-misused-promises': 'error',
      'typescript/switch-exhaustiveness-check': 'error',
      'typescript/no-explicit-any': 'error',
      // Also refuses `import('...')` as a type, which no-restricted-imports does not look into.
      'typescript/consistent-type-imports': ['error', { fixStyle: 'inline-type-imports' }],
      'import/no-cycle': 'error',
      'import/no-default-export': 'error',
      'no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_', ignoreRestSiblings: true }],
      // Closures have no `this` to lose, and taking functions out of an object is how we pass them.
      'typescript/unbound-method': 'off',
      // `then` is a keyword of JSON Schema, and spreads are a way to keep a long list in lines.
      'unicorn/no-thenable': 'off',
      'unicorn/no-useless-spread': 'off',
      eqeqeq: ['error', 'always', { null: 'ignore' }],
    },
    overrides: [
      { files: ['**/*.config.ts'], rules: { 'import/no-default-export': 'off' } },
      {
        files: ['core/src/**/*.ts', 'sdk/src/**/*.ts'],
        rules: { 'no-console': 'error', 'node/no-process-env': 'error' },
      },
      restrict(['sdk/src/**/*.ts'], sdkImports()),
      restrict(['apps/**/*.ts', 'examples/**/*.ts'], {
        patterns: [deny(['**/core/src/**', '**/sdk/src/**'], 'Import @stoa/core or @stoa/sdk, as an embedder would.')],
      }),
      restrict(['test/**/*.ts'], {
        patterns: [
          deny(
            ['**/core/src/**', '!**/core/src/*.ts', '!**/core/src/*/index.ts'],
            'Tests go through a door: @stoa/core, or the index.ts of a slice.',
          ),
        ],
      }),
      // First what nobody listed: a stray file or folder imports nothing outside itself until it has a place in ORDER.
      restrict(['core/src/*.ts'], coreImports([deny(['./**', '../**'], UNLISTED)])),
      restrict(['core/src/*/**/*.ts'], coreImports([deny(['../**'], UNLISTED)])),
      ...ORDER.flatMap((name, rank) => (isFile(name) ? fileOverrides(name, rank) : sliceOverrides(name, rank))),
    ],
  }
}

const UNLISTED = `Not in the order of the slices (test/tools/lint-order.ts), or more than ${MAX_DEPTH} folders deep in a slice.`

function fileOverrides(name: string, rank: number) {
  const test = name.replace(/\.ts$/, '.test.ts')
  const doors = [...doorsBelow(rank), name]
  const message = `${name} may import only the doors of what is below it: ${listBelow(rank)}.`
  return [
    restrict(
      [`core/src/${name}`, `core/src/${test}`],
      coreImports([deny(['./**', '../**', ...doors.map((door) => `!./${door}`)], message)]),
    ),
  ]
}

function sliceOverrides(name: string, rank: number) {
  const message = `${name} may import only the doors (index.ts) of what is below it: ${listBelow(rank)}.`
  return Array.from({ length: MAX_DEPTH + 1 }, (_, depth) => {
    const out = '../'.repeat(depth + 1)
    const doors = doorsBelow(rank).map((door) => `!${out}${door}`)
    return restrict(
      [`core/src/${name}/${'*/'.repeat(depth)}*.ts`],
      coreImports([deny([`${out}**`, ...doors], message)]),
    )
  })
}

/** What holds for all of core, besides the order. An override replaces the rule of an earlier one, so each repeats it. */
function coreImports(order: object[]): RestrictedImports {
  return {
    paths: [...NO_PROCESS_IMPORT],
    patterns: [
      ...order,
      deny(['@stoa/*', '@stoa/*/**', '!@stoa/sdk', '!@stoa/sdk/**'], 'core imports no package of ours but the sdk.'),
      NO_DETOUR,
    ],
  }
}

function sdkImports(): RestrictedImports {
  const hosts = ['express', 'knex', 'pg', 'better-sqlite3', 'undici']
  return {
    paths: [
      ...NO_PROCESS_IMPORT,
      ...hosts.map((name) => ({ name, allowTypeImports: true, message: 'The sdk comes without this package.' })),
    ],
    patterns: [
      deny(['@stoa/*', '@stoa/*/**'], 'The sdk imports no package of ours.'),
      { regex: '^(\\.\\./)+(core|apps|test|examples)/', message: 'The sdk imports nothing from outside itself.' },
      NO_DETOUR,
    ],
  }
}

const NO_PROCESS_IMPORT = ['process', 'node:process'].map((name) => ({
  name,
  importNames: ['env', 'default'],
  message: 'process.env is read in apps/ only.',
}))

/** `./../x` and `./a/../../x` would pass by the patterns above, which read a path as it is written. */
const NO_DETOUR = {
  regex: '(^|/)\\./+\\.|[^./]/+\\.\\.(/|$)|//',
  message: 'Write a relative path without detours.',
}

function restrict(files: string[], imports: RestrictedImports) {
  return { files, rules: { 'no-restricted-imports': ['error', imports] } }
}

function deny(group: string[], message: string): object {
  return { group, message }
}

function doorsBelow(rank: number): string[] {
  return ORDER.slice(0, rank).map((name) => (isFile(name) ? name : `${name}/index.ts`))
}

function listBelow(rank: number): string {
  return ORDER.slice(0, rank).join(', ') || 'nothing'
}

function isFile(name: string): boolean {
  return name.endsWith('.ts')
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await generateLintConfig({ check: process.argv.includes('--check') })
}
