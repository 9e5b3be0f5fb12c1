import { createHash, timingSafeEqual } from 'node:crypto'
import { endFamilies } from '../access/index.ts'
import type { Application } from '../applications/index.ts'
import { inTransaction, type Db } from '../database/index.ts'
import { lockInstallationById } from '../installations/index.ts'
import { hashToken, nowIso, StoaError, tokenKind } from '../kernel/index.ts'
import { consumeCode, lockCode, type Code } from './code-store.ts'
import { assertActive, issueTokens, shareActive } from './issue-tokens.ts'
import { scopeNames } from './scope.ts'
import type { Grant } from './token-request.ts'

/**
 * `authorization_code` (RFC 6749 section 4.1.3, RFC 7636). Client, address and verifier are checked before the code is used
 * up: who has stolen a code can neither use it nor spoil it. A second use by its own client ends what the first one gave
 * (RFC 6749 section 4.1.2).
 */
export const redeemCode: Grant = async (ctx, client, form, proof) => {
  const code = form.code ?? ''
  if (tokenKind(code) !== 'ac') throw new StoaError('invalid_grant', { message: 'Authorization code not found.' })
  const codeHash = hashToken(code)
  const answer = await inTransaction(ctx.db, async (trx) => {
    const found = await lockCode(trx, ctx.dialect, codeHash)
    if (found?.applicationId !== client.application.id) {
      throw new StoaError('invalid_grant', { message: 'Authorization code not found.' })
    }
    assertFits(found, client.application, form)
    if (found.keyThumbprint !== null && found.keyThumbprint !== proof.keyThumbprint) {
      throw new StoaError('invalid_dpop_proof', { message: 'The code is bound to another DPoP key (dpop_jkt).' })
    }
    if (found.consumedTime !== null) return endUsed(found, trx)
    if (found.expiresTime <= nowIso(ctx.clock)) {
      throw new StoaError('invalid_grant', { message: 'The authorization code has expired; authorize again.' })
    }
    const installation = await lockInstallationById(trx, ctx.dialect, found.installationId)
    assertActive(installation)
    if (found.createdTime < installation.installedTime) {
      throw new StoaError('invalid_grant', { message: 'The application was uninstalled since; authorize again.' })
    }
    const application = await shareActive(ctx, trx, client)
    const { secretId } = client
    const { userId } = found
    const scope = scopeNames(application, found.scope)
    const issued = await issueTokens(ctx, trx, {
      parentId: null,
      authorized: found.scope,
      application,
      installation,
      scope,
      userId,
      secretId,
      ...proof,
    })
    const set = { consumedTime: nowIso(ctx.clock), familyId: issued.familyId }
    if (!(await consumeCode(trx, codeHash, set))) throw used()
    return issued.answer
  })
  // Thrown out here, so that what the first use gave is ended and stays so.
  if (answer === null) throw used()
  return answer

  async function endUsed({ familyId }: Code, trx: Db): Promise<null> {
    if (familyId !== null) await endFamilies(ctx, trx, [familyId])
    return null
  }
}

function assertFits(
  code: Code,
  { redirectUris }: Application,
  form: { redirect_uri?: string | undefined; code_verifier?: string | undefined },
): void {
  // OAuth 2.1 leaves it out, because PKCE binds the code better. Without PKCE it is what binds the code (RFC 6749 section 4.1.3),
  // unless the application has one address alone: HighLevel's contract makes it optional.
  const mayLack = code.codeChallenge !== null || redirectUris.length === 1
  if (form.redirect_uri === undefined ? !mayLack : form.redirect_uri !== code.redirectUri) {
    throw new StoaError('invalid_grant', { message: 'redirect_uri differs from the one of the authorization request.' })
  }
  const { code_verifier: verifier } = form
  if (code.codeChallenge === null) {
    // RFC 9700 section 4.8.2: somebody took the challenge out of the request.
    if (verifier !== undefined) {
      throw new StoaError('invalid_grant', { message: 'There was no code_challenge for this code_verifier.' })
    }
    return
  }
  if (verifier === undefined || !/^[A-Za-z0-9\-._~]{43,128}$/.test(verifier)) {
    throw new StoaError('invalid_grant', { message: 'code_verifier must be 43 to 128 of the characters of RFC 7636.' })
  }
  const challenge = createHash('sha256').update(verifier).digest()
  if (!timingSafeEqual(challenge, Buffer.from(code.codeChallenge, 'base64url').subarray(0, 32))) {
    throw new StoaError('invalid_grant', { message: 'code_verifier does not fit the code_challenge.' })
  }
}

function used(): StoaError {
  return new StoaError('invalid_grant', {
    message: 'The authorization code was used before; everything it gave has ended. Authorize again.',
  })
}
