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

/** Money that is to be asked for, for a wallet. */
export interface FundingRequest {
  /** The top-up's id: the idempotency key. However often it is asked for, money comes once. */
  id: string
  organizationId: string
  /** Null for the organization's own wallet. */
  locationId: string | null
  /** Decimal text, such as `25.5`. */
  amount: string
  /** ISO 4217. */
  currency: string
  /** What the merchant chose to pay with, in the provider's own words; null for whatever the provider knows of them. */
  paymentMethod: string | null
  /** For the merchant's bank statement or receipt. */
  description: string | null
}

/** How a payment stands. `pending` is neither yet: the host looks again, for as long as it takes. */
export interface FundingOutcome {
  status: 'succeeded' | 'pending' | 'declined'
  /** The provider's own number of the payment; null when it never began one. */
  reference: string | null
  /** Why it was declined, for the merchant. */
  reason?: string
}

/**
 * Asks a payment provider for money. `declined` is for good: nobody will ask for this id again. Whatever else goes wrong (a network, a
 * timeout, a provider out of order) is thrown, and both functions are called again later, perhaps days later and by another process.
 */
export interface FundingPort {
  /** Asks for the money. Called again for an id that it was called for before, it must answer for the same payment. */
  fund(request: FundingRequest): Promise<FundingOutcome>
  /**
   * How the payment stands. With `reference` null the host never heard of one, as after a crash: then it is found by the id, and null
   * says that there is none, whereupon `fund` is called again.
   */
  look(payment: { id: string; reference: string | null }): Promise<FundingOutcome | null>
}
