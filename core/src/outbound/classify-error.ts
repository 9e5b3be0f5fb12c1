import { notConnected, OutboundFailure } from './outbound-failure.ts'

const certificateProblems: Record<string, string> = {
  CERT_HAS_EXPIRED: 'its certificate has expired',
  CERT_NOT_YET_VALID: 'its certificate is not valid yet',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'its certificate is self-signed',
  SELF_SIGNED_CERT_IN_CHAIN: 'its certificate chain ends in an unknown authority',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'it does not send its intermediate certificates',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'its certificate is from an unknown authority',
  ERR_TLS_CERT_ALTNAME_INVALID: 'its certificate is for another host name',
}

const refusedBeforeConnection = new Set([
  'ECONNREFUSED',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'EADDRNOTAVAIL',
  'EHOSTDOWN',
  'ENETDOWN',
  'EACCES',
  'EPERM',
  'EINVAL',
  'EMFILE',
  'ENFILE',
  'ETIMEDOUT',
  'UND_ERR_CONNECT_TIMEOUT',
])

/** Names what went wrong before the connection stood. */
export function classifyConnectError(error: Error, secure: boolean): OutboundFailure {
  if (error instanceof OutboundFailure) return error
  const code = codeOf(error)
  if (!secure || refusedBeforeConnection.has(code)) return notConnected()
  const problem = certificateProblems[code] ?? 'the TLS handshake failed'
  return new OutboundFailure('tls', `No secure connection could be made: ${problem}.`)
}

/** Names what went wrong on a connection that stood, or before there was any need for one. */
export function classifyError(error: unknown): OutboundFailure {
  if (error instanceof OutboundFailure) return error
  const code = codeOf(error)
  if (
    code === 'UND_ERR_INVALID_ARG' ||
    code === 'UND_ERR_NOT_SUPPORTED' ||
    code === 'UND_ERR_REQ_CONTENT_LENGTH_MISMATCH'
  ) {
    return new OutboundFailure('invalid_request', 'The request cannot be sent: its method or a header is not allowed.')
  }
  if (code === 'UND_ERR_CLOSED' || code === 'UND_ERR_DESTROYED') return closed()
  if (code === 'UND_ERR_HEADERS_OVERFLOW') {
    return new OutboundFailure('protocol', 'The receiver sent more than 16 kB of headers. Send fewer.')
  }
  if (code === 'ECONNRESET' || code === 'EPIPE' || code === 'ETIMEDOUT' || isHangUp(error, code)) {
    return new OutboundFailure('reset', 'The receiver closed the connection before it answered.')
  }
  return new OutboundFailure('protocol', 'The receiver did not answer with valid HTTP.')
}

export function closed(): OutboundFailure {
  return new OutboundFailure('closed', 'The host is shutting down; nothing is wrong with the receiver.')
}

/** undici says `UND_ERR_SOCKET` for a hang-up and for an answer it does not accept; only the message differs. */
function isHangUp(error: unknown, code: string): boolean {
  return code === 'UND_ERR_SOCKET' && !(error as Error).message.startsWith('bad ')
}

function codeOf(error: unknown): string {
  const code = (error as NodeJS.ErrnoException | null)?.code
  return typeof code === 'string' ? code : ''
}
