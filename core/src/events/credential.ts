import type { Environment } from '../context.ts'

export type CredentialType = 'none' | 'basic' | 'digest'

/** With what the host shows itself to receivers on one host: Rebilly's service credential of the type `webhook`. */
export interface Credential {
  id: string
  organizationId: string
  /** Seen and used by this application alone; null for all of the organization. */
  applicationId: string | null
  /** Of an application that made it where it is installed; null when the organization itself did. */
  installationId: string | null
  environment: Environment
  /** Lower case, with its port when one was given: no other receiver is shown it. */
  host: string
  type: CredentialType
  username: string | null
  /** Sealed; null when there is none. */
  password: string | null
  status: 'active' | 'inactive'
  createdTime: string
  updatedTime: string
}

/** The name of a credential's password, for the secret box. */
export function credentialContext(id: string): string {
  return `webhook-credential:${id}`
}

/** One with a port is for that port; one without is for every port of the host. */
export function isForHost({ host }: Pick<Credential, 'host'>, url: string): boolean {
  const target = new URL(url)
  return host === target.host || host === target.hostname
}
