import { verifyDpopProof } from '../access/index.ts'
import type { RequestFacts } from '../http/index.ts'
import { Type, type Static } from '../kernel/index.ts'
import { authenticateClient, type Client } from './authenticate-client.ts'
import type { OAuthContext } from './context.ts'
import type { TokenAnswer } from './token-answer.ts'

export const longestText = 8192
const Text = (description?: string) =>
  Type.Optional(Type.String({ maxLength: longestText, ...(description && { description }) }))

/** The members by which a client says who it is, at every endpoint that asks for it. */
export const clientMembers = {
  client_id: Text(),
  client_secret: Text(),
  client_assertion: Text(),
  client_assertion_type: Text(),
}

export const TokenForm = Type.Object({
  grant_type: Text(
    '`authorization_code`, `refresh_token`, `client_credentials`, or `urn:ietf:params:oauth:grant-type:token-exchange`.',
  ),
  ...clientMembers,
  code: Text(),
  redirect_uri: Text(),
  code_verifier: Text(),
  refresh_token: Text(),
  scope: Text(),
  resource: Text('Only the address of this host.'),
  audience: Text(),
  user_type: Text('Taken and not used: what a person allowed decides whether it is `Company` or `Location`.'),
  environment: Text('Of client credentials: `production` (the default) or `sandbox`.'),
  subject_token: Text(),
  subject_token_type: Text(),
  requested_token_type: Text(),
  actor_token: Text(),
  location_id: Text('Of a token exchange: the location to get a token for.'),
})
export type TokenForm = Static<typeof TokenForm>

/** What proves that a token is for who asks for it, and how the request is called in the logs. */
export interface Proof {
  /** RFC 9449: the key that the tokens are bound to; null for bearer tokens. */
  keyThumbprint: string | null
  traceId: string
}

/** One way of getting a token. Opens its own transaction. */
export type Grant = (ctx: OAuthContext, client: Client, form: TokenForm, proof: Proof) => Promise<TokenAnswer>

/** Authenticates the client, and checks its DPoP proof if it sent one. */
export async function readClient(
  ctx: OAuthContext,
  request: RequestFacts,
  form: Parameters<typeof authenticateClient>[2],
): Promise<{ client: Client; proof: Proof }> {
  const client = await authenticateClient(ctx, request, form)
  const { dpop } = request.headers
  const { method, url, traceId } = request
  const keyThumbprint = dpop === undefined ? null : await verifyDpopProof(ctx, ctx.db, { proof: dpop, method, url })
  return { client, proof: { keyThumbprint, traceId } }
}
