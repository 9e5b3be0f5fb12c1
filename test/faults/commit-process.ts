import type { Caller } from '../../core/src/http/index.ts'
import { openDirectWallet } from '../wallet/direct.ts'
import { failCommits, type CommitFault } from './fail-commits.ts'

export interface CommitOrders {
  url: string
  /** Without permissions: sets do not pass between processes, and charges of now need none. */
  caller: Omit<Caller, 'permissions'>
  bodies: object[]
  /** One request of a batch, or as many requests as there are bodies, three of which share a transaction. */
  isBatch: boolean
  /** Where the process ends itself, and at which COMMIT. */
  point: CommitFault
  passage: number
}

process.once('message', (orders: CommitOrders) => void run(orders))
process.send!('ready')

async function run({ url, caller: plain, bodies, isBatch, point, passage }: CommitOrders): Promise<void> {
  const caller: Caller = { ...plain, permissions: new Set() }
  const direct = await openDirectWallet({ opened: { url } }, { batchSize: 3 })
  const commits = await failCommits(direct.db, { isDeath: true })
  commits.arm(point, passage)
  if (isBatch) await direct.batch(caller, bodies)
  else await Promise.all(bodies.map((body) => direct.charge(caller, body)))
  // Not the end that was ordered, and not a code of zero either.
  process.exit(70)
}
