/** The interfaces an embedder can fill. Each has a working default. */

/** Where log lines go. pino's and console's signatures both fit. */
export interface Logger {
  debug(details: object, message?: string): void
  info(details: object, message?: string): void
  warn(details: object, message?: string): void
  error(details: object, message?: string): void
}

/**
 * Seals what the host must be able to read back: webhook secrets, secret settings. The default is envelope AES-256-GCM
 * under keys derived from `config.secret`; a KMS can stand behind the same two functions.
 */
export interface SecretBox {
  /** `context` names the row the text belongs to; the same context is needed to open it, so rows cannot be swapped. */
  seal(plain: string, context: string): Promise<string>
  /** Throws when the text was changed, belongs to another row, or was sealed by a key that is gone. */
  open(sealed: string, context: string): Promise<string>
}

export interface StoredFile {
  bytes: Buffer
  mediaType: string
}

/** Where logos live. The default keeps them in the database. */
export interface Files {
  put(id: string, file: StoredFile): Promise<void>
  get(id: string): Promise<StoredFile | null>
}

/** Who is signed in, according to the embedder, and what they administer. */
export interface Identity {
  userId: string
  email: string
  name: string
  memberships: { organizationId: string; role: 'owner' | 'admin' | 'author' | 'member' | 'operator' }[]
}

/**
 * The embedder's own sign-in. It gets the request's headers (a session cookie, a token of theirs) and answers who it is, or
 * null when nobody is signed in. Organizations it names must exist in the host (`services.createOrganization`, with your id).
 */
export interface IdentityPort {
  identify(headers: Record<string, string | string[] | undefined>): Promise<Identity | null>
}
