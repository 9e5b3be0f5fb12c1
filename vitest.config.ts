import { defineConfig } from 'vitest/config'

export default defineConfig({
  resolve: { conditions: ['@stoa/source'] },
  ssr: { resolve: { conditions: ['@stoa/source'] } },
  test: {
    include: ['{core,sdk,apps,examples,test}/**/*.test.ts'],
    exclude: ['**/node_modules/**', '**/dist/**'],
    globalSetup: ['test/support/global-setup.ts'],
    testTimeout: 30_000,
    hookTimeout: 60_000,
    maxWorkers: 2,
  },
})
