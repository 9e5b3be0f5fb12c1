import type { Db } from '../database/index.ts'
import { StoaError } from '../kernel/index.ts'
import type { Application } from './application.ts'
import { findApplication } from './store.ts'
import type { Version } from './version.ts'

/** The listing's state does not allow the step. `why` goes on after "The application is <state>". */
export function wrongState(application: Application, why: string): StoaError {
  const message = `The application is ${application.status} ${why}.`
  return new StoaError('wrong_state', { message, details: { state: application.status } })
}

/** The version's state does not allow the step. `why` goes on after "Version <number> is <state>". */
export function wrongVersionState({ number, status }: Version, why: string): StoaError {
  const message = `Version ${number} is ${status} ${why}.`
  return new StoaError('wrong_state', { message, details: { state: status, version: number } })
}

/** Somebody else changed the application between reading and writing. Says its present state. */
export async function overtaken(db: Db, id: string): Promise<StoaError> {
  const present = await findApplication(db, id)
  if (!present) return new StoaError('not_found')
  const message = `The application was changed meanwhile and is ${present.status} now; read it again.`
  return new StoaError('wrong_state', { message, details: { state: present.status } })
}
