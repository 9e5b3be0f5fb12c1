import type { Sweeps } from '../access/index.ts'
import { deleteEndedCodes } from './code-store.ts'
import { deleteEndedRequests } from './pushed-requests.ts'

/** What the credential sweeper removes for this slice. */
export const oauthSweeps: Sweeps = { atOnce: [deleteEndedRequests], later: [deleteEndedCodes] }
