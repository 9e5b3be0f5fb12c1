import { execFile } from 'node:child_process'
import { cp, mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { generateLintConfig, ORDER } from '../tools/lint-order.ts'

const root = fileURLToPath(new URL('../../', import.meta.url))

/** An import in a file, and what is to be said about it. */
type Case = [title: string, file: string, specifier: string]

const REFUSED: Case[] = [
  ['upwards', 'core/src/wallet/charge.ts', '../oauth/index.ts'],
  ['upwards, from a folder in the slice', 'core/src/wallet/plans/renew.ts', '../../oauth/index.ts'],
  ['upwards, from two folders down', 'core/src/wallet/plans/deep/renew.ts', '../../../oauth/index.ts'],
  ['upwards, from a test', 'core/src/wallet/charge.test.ts', '../oauth/index.ts'],
  ['upwards by one', 'core/src/accounts/users.ts', '../access/index.ts'],
  ['of the composition root', 'core/src/wallet/host.ts', '../host.ts'],
  ['of the door of core', 'core/src/wallet/door.ts', '../index.ts'],
  ['past a door', 'core/src/wallet/deep.ts', '../events/outbox.ts'],
  ['past a door, of the kernel', 'core/src/wallet/kernel.ts', '../kernel/errors.ts'],
  ['past a door, of a folder in a slice', 'core/src/wallet/deeper.ts', '../events/signing/index.ts'],
  ['without naming the door', 'core/src/wallet/folder.ts', '../events'],
  ['with another extension', 'core/src/wallet/extension.ts', '../kernel/index.js'],
  ['on a detour', 'core/src/wallet/dot.ts', './../oauth/index.ts'],
  ['on a detour through a folder', 'core/src/wallet/detour.ts', './plans/../../oauth/index.ts'],
  ['of a file between the slices, upwards', 'core/src/database/open.ts', '../context.ts'],
  ['of the configuration by the kernel', 'core/src/kernel/ids.ts', '../config.ts'],
  ['of the context by the configuration', 'core/src/config.ts', './context.ts'],
  ['of a slice by the context', 'core/src/context.ts', './http/index.ts'],
  ['past a door by the composition root', 'core/src/host.ts', './wallet/charge.ts'],
  ['of the testing slice by the door', 'core/src/index.ts', './testing/index.ts'],
  ['by a slice nobody has put in the order', 'core/src/unlisted/thing.ts', '../kernel/index.ts'],
  ['by a file nobody has put in the order', 'core/src/unlisted.ts', './kernel/index.ts'],
  ['of an app by core', 'core/src/wallet/app.ts', '../../../apps/server/src/stoa.ts'],
  ['of an app by core, by its name', 'core/src/wallet/app-name.ts', '@stoa/server'],
  ['of the tests by core', 'core/src/wallet/tests.ts', '../../../test/support/databases.ts'],
  ['of core by its own name, around the order', 'core/src/wallet/itself.ts', '@stoa/core'],
  ['of core by the sdk', 'sdk/src/client/core.ts', '@stoa/core'],
  ['of core by the sdk, by its path', 'sdk/src/client/core-path.ts', '../../../core/src/index.ts'],
  ['of what only a host needs by the sdk', 'sdk/src/server/express.ts', 'express'],
  ['past a door by a test', 'test/api/deep.test.ts', '../../core/src/wallet/charge.ts'],
  ['of the sources of core by an app', 'apps/server/src/deep.ts', '../../../core/src/index.ts'],
]

const ALLOWED: Case[] = [
  ['of the kernel', 'core/src/wallet/ok-kernel.ts', '../kernel/index.ts'],
  ['of the slice just below', 'core/src/wallet/ok-below.ts', '../installations/index.ts'],
  ['of the slice below, from a folder', 'core/src/wallet/plans/ok.ts', '../../installations/index.ts'],
  ['of the slice below, from two folders down', 'core/src/wallet/plans/deep/ok.ts', '../../../events/index.ts'],
  ['within the slice', 'core/src/wallet/ok-own.ts', './store.ts'],
  ['within the slice, from a folder', 'core/src/wallet/plans/ok-own.ts', '../store.ts'],
  ['of the configuration by a slice above it', 'core/src/database/ok.ts', '../config.ts'],
  ['of the context by a slice above it', 'core/src/http/ok.ts', '../context.ts'],
  ['of the kernel by the configuration', 'core/src/config.test.ts', './kernel/index.ts'],
  ['of any slice by the composition root', 'core/src/host.test.ts', './resources/index.ts'],
  ['of the composition root by the door', 'core/src/index.test.ts', './host.ts'],
  ['of the composition root by the testing slice', 'core/src/testing/ok.ts', '../host.ts'],
  ['of the contract by core', 'core/src/wallet/ok-sdk.ts', '@stoa/sdk/contract'],
  ['of a package by core', 'core/src/wallet/ok-package.ts', 'knex'],
  ['of a door by a test', 'test/api/ok.test.ts', '../../core/src/wallet/index.ts'],
]

/** Ways to import that a rule might overlook; each of them upwards. */
const FORMS: [title: string, code: string][] = [
  ['import', `import { a } from '../oauth/index.ts'\nexport const b = a`],
  ['import type', `import type { A } from '../oauth/index.ts'\nexport type B = A`],
  ['import for its effects', `import '../oauth/index.ts'`],
  ['export from', `export { a } from '../oauth/index.ts'`],
  ['export *', `export * from '../oauth/index.ts'`],
  ['import()', `export const load = () => import('../oauth/index.ts')`],
  ['import() as a type', `export type A = import('../oauth/index.ts').A`],
]

const HOUSE_RULES: [rule: string, file: string, code: string][] = [
  ['no-process-env', 'core/src/wallet/env.ts', 'export const home = process.env.HOME'],
  ['no-restricted-imports', 'sdk/src/env.ts', `import { env } from 'node:process'\nexport const home = env.HOME`],
  ['no-console', 'core/src/wallet/console.ts', `console.log('x')`],
  ['no-default-export', 'core/src/wallet/default.ts', 'export default 1'],
  ['no-explicit-any', 'core/src/wallet/any.ts', 'export const a: any = 1'],
  ['eqeqeq', 'core/src/wallet/equal.ts', 'export const same = (a: string, b: string) => a == b'],
  ['no-unused-vars', 'core/src/wallet/unused.ts', 'const a = 1'],
  ['no-floating-promises', 'core/src/wallet/floating.ts', 'Promise.resolve(1)'],
  ['no-misused-promises', 'core/src/wallet/misused.ts', 'export const a = Promise.resolve(true) ? 1 : 2'],
  [
    'switch-exhaustiveness-check',
    'core/src/wallet/switch.ts',
    `export function f(x: 'a' | 'b') {\n  switch (x) {\n    case 'a':\n      return 1\n  }\n  return 2\n}`,
  ],
  ['no-cycle', 'core/src/wallet/cycle-a.ts', `import { b } from './cycle-b.ts'\nexport const a = () => b`],
]

describe('the linter', () => {
  let folder: string
  let found: Map<string, string[]>

  // Once for all cases: starting the linter takes longer than reading a hundred files.
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'stoa-slice-order-'))
    await cp(join(root, '.oxlintrc.json'), join(folder, '.oxlintrc.json'))
    await cp(join(root, 'tsconfig.base.json'), join(folder, 'tsconfig.base.json'))
    // Without node_modules, which oxlint would read as well.
    const tsconfig = { extends: './tsconfig.base.json', compilerOptions: { types: [] } }
    await write('tsconfig.json', JSON.stringify(tsconfig))
    for (const [, file, specifier] of [...REFUSED, ...ALLOWED]) await write(file, `import '${specifier}'\n`)
    for (const [index, [, code]] of FORMS.entries()) await write(formFile(index), code)
    for (const [, file, code] of HOUSE_RULES) await write(file, code)
    await write('core/src/wallet/cycle-b.ts', `import { a } from './cycle-a.ts'\nexport const b = () => a`)
    await write('some.config.ts', 'export default {}')
    found = await lint(folder)
  })

  afterAll(() => rm(folder, { recursive: true, force: true }))

  describe('refuses an import', () => {
    it.each(REFUSED)('%s', (_title, file) => {
      expect(found.get(file)).toContain('no-restricted-imports')
    })

    it.each(FORMS.map(([title], index) => [title, formFile(index)]))('upwards, written as %s', (_title, file) => {
      expect(found.get(file)).toBeDefined()
    })
  })

  describe('lets pass an import', () => {
    it.each(ALLOWED)('%s', (_title, file) => {
      expect(found.get(file)).toBeUndefined()
    })
  })

  it.each(HOUSE_RULES)('keeps the house rule %s', (rule, file) => {
    expect(found.get(file)).toContain(rule)
  })

  it('lets a configuration file have a default export', () => {
    expect(found.get('some.config.ts')).toBeUndefined()
  })

  async function write(file: string, content: string): Promise<void> {
    await mkdir(dirname(join(folder, file)), { recursive: true })
    await writeFile(join(folder, file), content)
  }
})

describe('the order of the slices', () => {
  it('is what .oxlintrc.json was generated from', async () => {
    await expect(generateLintConfig({ check: true })).resolves.toBeUndefined()
  })

  it('has a place for everything in core/src', async () => {
    const entries = await readdir(join(root, 'core/src'))
    const unlisted = entries.filter((name) => !name.endsWith('.test.ts') && !ORDER.some((listed) => listed === name))
    expect(unlisted).toEqual([])
  })
})

function formFile(index: number): string {
  return `core/src/wallet/form-${index}.ts`
}

/** The names of the rules broken, by file. */
async function lint(folder: string): Promise<Map<string, string[]>> {
  const output = await promisify(execFile)(join(root, 'node_modules/.bin/oxlint'), ['--type-aware', '--format=json'], {
    cwd: folder,
    maxBuffer: 32 * 1024 * 1024,
  }).catch((error: { stdout: string; code: unknown }) => {
    // It exits with 1 when it has found something, and something it must find.
    if (error.code !== 1) throw error
    return error
  })
  const { diagnostics } = JSON.parse(output.stdout) as { diagnostics: { filename: string; code: string }[] }
  const rulesOf = new Map<string, string[]>()
  for (const { filename, code } of diagnostics) {
    const rule = /\(([^)]+)\)/.exec(code)?.[1] ?? code
    rulesOf.set(filename, [...(rulesOf.get(filename) ?? []), rule])
  }
  return rulesOf
}
