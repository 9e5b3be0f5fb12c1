/**
 * Header names, in lower case as Node and the Fetch standard give them; on the wire case does not matter.
 */

/** Headers of a webhook, as Standard Webhooks 1.0 names them. */
export const webhookHeaders = {
  /** Id of the delivery: the same on every try, so it is the key to recognise a repetition by. */
  id: 'webhook-id',
  /** Unix seconds of this try. */
  timestamp: 'webhook-timestamp',
  /** Space-separated list of `version,signature`; more than one while a secret is being rotated. */
  signature: 'webhook-signature',
} as const

/** Headers of an answer that is a page of a bare array. Counts, in decimal. */
export const paginationHeaders = {
  total: 'pagination-total',
  limit: 'pagination-limit',
  offset: 'pagination-offset',
} as const
