import { availableParallelism } from 'node:os'
import { defineConfig } from 'vitest/config'

/** Our packages are taken from their sources; see their package.json. */
const conditions = ['@stoa/source']

export default defineConfig({
  resolve: { conditions },
  ssr: { resolve: { conditions } },
  // Where vitest runs globalSetup; it takes nothing over from the two above.
  environments: { __vitest__: { resolve: { conditions } } },
  test: {
    exclude: ['**/node_modules/**', '**/dist/**'],
    testTimeout: 30_000,
    hookTimeout: 60_000,
    // Two at least, so that a file which disturbs another is found out on a small machine too; and not every core of a
    // large one, since PostgreSQL and the hosts under test need theirs.
    maxWorkers: Math.min(6, Math.max(2, availableParallelism() - 1)),
    // Two projects, so that the tests of pure functions, beside the code, start no PostgreSQL.
    projects: [
      { extends: true, test: { name: 'unit', include: ['{core,sdk,apps,examples}/**/*.test.ts'] } },
      {
        extends: true,
        test: { name: 'test', include: ['test/**/*.test.ts'], globalSetup: ['test/support/global-setup.ts'] },
      },
    ],
  },
})
