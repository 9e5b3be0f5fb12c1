import type { Caller } from '../http/index.ts'

/** Who decided something, as it is kept: the person, or the credential where no person is behind it. */
export const actorText = ({ kind, credentialId, userId }: Caller): string =>
  userId === null ? `${kind}:${credentialId}` : `user:${userId}`
