/**
 * The closed catalogue of error codes. A code, once published, keeps its meaning and its status.
 * `message` is the sentence a person reads: it says what to do next. A rule may give a more precise one.
 */
export const errorCatalogue = {
  malformed_json: [400, 'Malformed JSON', 'The body is not valid JSON; check it with a JSON parser.'],
  invalid_request: [400, 'Invalid request', 'The request is incomplete or contradictory; see invalidFields.'],
  request_aborted: [400, 'Request aborted', 'The connection closed before the whole body arrived; send it again.'],
  invalid_grant: [
    400,
    'Invalid grant',
    'The code or token is unknown, used up, expired, or was given to another client or address; authorize again.',
  ],
  unauthorized_client: [400, 'Unauthorized client', 'The client may not use this way of getting a token.'],
  unsupported_grant_type: [
    400,
    'Unsupported grant type',
    'grant_type must be authorization_code, refresh_token, client_credentials or urn:ietf:params:oauth:grant-type:token-exchange.',
  ],
  unsupported_response_type: [400, 'Unsupported response type', 'response_type must be code.'],
  invalid_scope: [400, 'Invalid scope', 'The scope is unknown, or wider than what the application asks for or has.'],
  invalid_target: [400, 'Invalid target', 'resource must be the address of this host.'],
  invalid_dpop_proof: [400, 'Invalid DPoP proof', 'The DPoP header must be a fresh proof for this very request.'],
  consent_expired: [
    400,
    'Page expired',
    'This page is too old, or was opened in another browser; go back to the application and begin again.',
  ],
  invalid_client: [
    401,
    'Invalid client',
    'The client is unknown or did not authenticate; check client_id and its secret or key.',
  ],
  unauthenticated: [
    401,
    'Unauthorized',
    'Send a credential: "Authorization: Bearer <token>", "X-API-Key" or "REB-APIKEY".',
  ],
  invalid_token: [
    401,
    'Invalid token',
    'The token is malformed or unknown to this host; check that it was copied whole.',
  ],
  expired_token: [401, 'Expired token', 'The token has expired; get a new one.'],
  revoked_token: [401, 'Revoked token', 'The token was revoked; get a new one.'],
  invalid_credentials: [
    401,
    'Wrong e-mail or password',
    'The e-mail address and the password do not match an account.',
  ],
  insufficient_funds: [
    402,
    'Insufficient funds',
    'The wallet does not hold enough; top it up and send the same eventId again.',
  ],
  missing_permission: [403, 'Missing permission', 'The credential lacks the permission this operation needs.'],
  access_pending: [
    403,
    'Access pending',
    'The application asks for this permission and it was not granted yet; whoever manages the installation can approve it.',
  ],
  caller_not_allowed: [403, 'Caller not allowed', 'This operation does not take this kind of credential.'],
  tenant_mismatch: [
    403,
    'Tenant mismatch',
    'The request names another application, organization or location than the token was issued for.',
  ],
  rights_exceeded: [403, 'Rights exceeded', 'Nobody can grant what they do not have themselves.'],
  not_found: [404, 'Not found', 'Nothing with this identifier exists here, or the credential may not see it.'],
  charge_not_found: [404, 'Charge not found', 'Charge not found'],
  method_not_allowed: [405, 'Method not allowed', 'This path does not take this method; see the Allow header.'],
  name_taken: [409, 'Name taken', 'This publisher already has an application of that name; choose another.'],
  email_taken: [409, 'E-mail taken', 'An account with this e-mail address exists; sign in instead.'],
  wrong_state: [409, 'Wrong state', 'The present state does not allow this step.'],
  in_use: [409, 'In use', 'Something else still refers to this; remove that first.'],
  last_owner: [409, 'Last owner', 'An organization keeps at least one owner; name another first.'],
  limit_reached: [409, 'Limit reached', 'There are as many of these as can be; remove one first.'],
  hold_closed: [
    409,
    'Hold closed',
    'The hold was captured, released or has expired; make a new one, or charge without it.',
  ],
  body_too_large: [413, 'Body too large', 'The body is larger than this host accepts.'],
  unsupported_media_type: [415, 'Unsupported media type', 'Send application/json in UTF-8.'],
  validation_failed: [422, 'Invalid data', 'Some fields were refused; see invalidFields.'],
  unknown_permission: [
    422,
    'Unknown permission',
    'The list names a permission this host does not know; GET /permissions lists them.',
  ],
  invalid_settings_schema: [422, 'Invalid settings schema', 'The settings schema was refused; see invalidFields.'],
  invalid_settings: [
    422,
    'Invalid settings',
    'The settings do not fit the schema of the application; see invalidFields.',
  ],
  invalid_file: [422, 'Invalid file', 'Send a PNG, JPEG or WebP image within the size limit.'],
  invalid_url: [422, 'Invalid URL', 'The address cannot be used; see invalidFields.'],
  application_unavailable: [
    422,
    'Application unavailable',
    'Only an application that is available in the store can be installed.',
  ],
  not_installed: [422, 'Not installed', 'The application is not enabled for this target.'],
  meter_not_found: [422, 'Meter not found', 'The application has no meter with this id.'],
  meter_inactive: [422, 'Meter inactive', 'The meter takes no more charges.'],
  price_required: [422, 'Price required', 'A charge of this meter brings its price; send one.'],
  price_not_allowed: [422, 'Price not allowed', 'Custom price is not allowed for fixed price meters'],
  price_out_of_range: [422, 'Price out of range', 'The price lies outside what the meter allows.'],
  invalid_units: [422, 'Invalid units', 'units must be a positive number with at most 6 decimals.'],
  event_time_out_of_range: [
    422,
    'Event time out of range',
    'eventTime may lie at most 5 minutes ahead and 35 days back.',
  ],
  event_id_reused: [
    422,
    'Event id reused',
    'This eventId was charged with other content; use a new eventId for a new event.',
  ],
  idempotency_key_reused: [
    422,
    'Idempotency key reused',
    'This idempotencyKey was used for an event with other content; use a new key for a new event.',
  ],
  reference_reused: [
    422,
    'Reference reused',
    'This reference was used with another wallet or amount; use a new reference for a new payment.',
  ],
  funding_unavailable: [
    422,
    'Funding unavailable',
    'This platform takes no payments by itself; ask its operator to add money to the wallet.',
  ],
  currency_mismatch: [422, 'Currency mismatch', 'The wallet is kept in another currency.'],
  wallet_suspended: [422, 'Wallet suspended', 'The wallet is suspended; its owner can have that lifted.'],
  refund_exceeds_charge: [422, 'Refund exceeds charge', 'More than is left of a charge cannot be given back.'],
  refund_id_reused: [
    422,
    'Refund id reused',
    'This refundId was used for another part of the charge; use a new refundId for a new refund.',
  ],
  cap_reached: [
    422,
    'Cap reached',
    'The merchant lets the application cost no more in this period; ask for more, or wait until it ends.',
  ],
  usage_limit_reached: [
    422,
    'Usage limit reached',
    'The meter takes no more units in this period; wait until it ends.',
  ],
  hold_exceeded: [
    422,
    'Hold exceeded',
    'More is charged than the hold has left; charge less, or send allowExcess to take the rest of the wallet.',
  ],
  plan_required: [422, 'Plan required', 'The application is installed with one of its plans; choose one.'],
  plan_not_found: [422, 'Plan not found', 'The application offers no plan with this id; list its plans.'],
  void_window_closed: [422, 'Void window closed', 'The charge is too old to be reversed this way.'],
  rate_limited: [429, 'Rate Limit Exceeded', 'Too many requests; wait for the time in Retry-After.'],
  internal_error: [500, 'Internal error', 'Something went wrong on our side; quote the traceId when you report it.'],
  unavailable: [
    503,
    'Unavailable',
    'The host cannot reach its database or is full; try again after the time in Retry-After.',
  ],
} as const satisfies Record<string, readonly [status: number, title: string, message: string]>

/** A stable, machine-readable reason. Every error body carries one in `code`. */
export type ErrorCode = keyof typeof errorCatalogue

/** One field that was refused; `field` is a dot path into the body, or a parameter name. */
export interface InvalidField {
  field: string
  message: string
}
