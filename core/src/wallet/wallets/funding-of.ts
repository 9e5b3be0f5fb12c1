import type { Environment } from '../../context.ts'
import { StoaError, type FundingPort } from '../../kernel/index.ts'
import type { WalletContext } from '../context.ts'
import { playFunding } from './play-funding.ts'

/** Where money of the environment comes from. Throws `funding_unavailable`. */
export function fundingOf({ funding }: WalletContext, environment: Environment): FundingPort {
  // Whatever the embedder gave: nothing in sandbox may move money.
  if (environment === 'sandbox') return playFunding
  if (!funding) throw new StoaError('funding_unavailable')
  return funding
}
