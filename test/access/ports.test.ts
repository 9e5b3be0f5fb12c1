import { describe, it } from 'vitest'
import pino from 'pino'
import {
  clockContract,
  filesContract,
  identityContract,
  loggerContract,
  secretBoxContract,
  type ContractCase,
} from '@stoa/core/testing'
import { createDatabaseFiles } from '../../core/src/applications/index.ts'
import { migrate } from '../../core/src/database/index.ts'
import { createSecretBox, systemClock } from '../../core/src/kernel/index.ts'
import { openEmpty } from '../database/support.ts'
import { keepLog } from '../http/support.ts'
import { eachDatabase } from '../support/databases.ts'
import { createExampleIdentity } from './example-identity.ts'

const each = (cases: ContractCase[]) => {
  for (const { name, run } of cases) it(name, run)
}

eachDatabase((database) => {
  describe('files in the database', () => {
    each(
      filesContract(async () => {
        const opened = await openEmpty(database)
        await migrate(opened)
        return createDatabaseFiles(opened.knex, systemClock)
      }),
    )
  })
})

describe('the default secret box', () => {
  each(secretBoxContract(() => Promise.resolve(createSecretBox(['a'.repeat(32)]))))
})

describe('the default secret box after a rotation', () => {
  each(secretBoxContract(() => Promise.resolve(createSecretBox(['b'.repeat(32), 'a'.repeat(32)]))))
})

describe('the system’s clock', () => {
  each(clockContract(() => Promise.resolve(systemClock)))
})

describe.each([
  ['console', () => console],
  ['pino', () => pino({ level: 'silent' })],
  ['a logger of the tests', () => keepLog().logger],
])('%s as a logger', (_name, open) => {
  each(loggerContract(() => Promise.resolve(open())))
})

describe('an example of an embedder’s sign-in', () => {
  const example = createExampleIdentity()
  example.save('s1', {
    userId: 'u-1',
    email: 'a@b.c',
    name: 'Ada',
    memberships: [{ organizationId: 'tenant-1', role: 'owner' }],
  })
  for (const signedIn of [example.cookie('s1'), example.jwt('s1'), example.opaque('s1')]) {
    const headers = Object.fromEntries(Object.entries(signedIn).map(([name, value]) => [name.toLowerCase(), value]))
    describe(`by ${Object.values(headers)[0]!.slice(0, 13)}`, () => {
      each(
        identityContract(() => Promise.resolve(example.port), {
          signedIn: headers,
          anonymous: { cookie: 'theme=dark' },
        }),
      )
    })
  }
})
