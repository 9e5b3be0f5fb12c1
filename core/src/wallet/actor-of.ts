import type { Caller } from '../http/index.ts'

/** Who did it, as histories and transactions keep it: an application, a person where one is known, or else the credential. */
export function actorOf({ kind, credentialId, userId, application }: Caller): string {
  if (application) return `application:${application.applicationId}`
  return userId === null ? `${kind}:${credentialId}` : `user:${userId}`
}
