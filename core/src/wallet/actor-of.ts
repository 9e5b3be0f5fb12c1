import type { Caller } from '../http/index.ts'

/** Who did it, as histories and transactions keep it: `user:<id>` where a person is known, otherwise `<kind>:<credential>`. */
export const actorOf = ({ kind, credentialId, userId }: Caller): string =>
  userId === null ? `${kind}:${credentialId}` : `user:${userId}`
