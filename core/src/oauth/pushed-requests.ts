import { deleteInBatches, text, type Db, type Row } from '../database/index.ts'
import { hashToken, isoIn, mintToken, nowIso, tokenKind } from '../kernel/index.ts'
import type { OAuthContext } from './context.ts'

const table = 'stoa_pushed_requests'
const prefix = 'urn:ietf:params:oauth:request_uri:'
export const pushedSeconds = 90

/** Keeps the parameters of an authorization request (RFC 9126) and answers the name under which a browser brings it. */
export async function pushRequest(
  ctx: OAuthContext,
  db: Db,
  applicationId: string,
  parameters: URLSearchParams,
): Promise<string> {
  const token = mintToken('pr')
  await db(table).insert({
    request_hash: hashToken(token),
    application_id: applicationId,
    parameters: parameters.toString(),
    created_time: nowIso(ctx.clock),
    expires_time: isoIn(ctx.clock, pushedSeconds),
  })
  return prefix + token
}

/** The parameters of a pushed request, which is used up by this; null when it is unknown, used or too old. */
export async function takePushedRequest(
  ctx: OAuthContext,
  db: Db,
  requestUri: string,
  applicationId: string,
): Promise<URLSearchParams | null> {
  const token = requestUri.startsWith(prefix) ? requestUri.slice(prefix.length) : ''
  if (tokenKind(token) !== 'pr') return null
  const one = () => db(table).where({ request_hash: hashToken(token), application_id: applicationId })
  const found = (await one().where('expires_time', '>', nowIso(ctx.clock)).first('parameters')) as Row | undefined
  // Of two who bring it at once one deletes it. In two steps, because knex answers a DELETE on SQLite with a count alone.
  if (!found || (await one().delete()) === 0) return null
  return new URLSearchParams(text(found.parameters))
}

export async function deleteEndedRequests(db: Db, before: string): Promise<void> {
  await deleteInBatches(db, table, 'request_hash', (query) => void query.where('expires_time', '<', before))
}
