import { masked, type OpenedKeys } from '../events/index.ts'

const keptHeaderBytes = 2048
/** Credentials, whoever sets them. */
const credentialHeader = /^(proxy-)?authorization$|^authentication-info$|cookie|token|secret|password|api-?key|session/i

/**
 * What a receiver answers may repeat what it was sent, with a token that is live; nothing that opens a door is kept. The
 * end of the text counts as the end of a token, because that is where an answer is cut off.
 */
export function maskTokens(text: string): string {
  return text.replace(/stoa_(it|ak|cs)_([0-9A-Za-z]{36}|[0-9A-Za-z]+$)/g, 'stoa_$1_***')
}

const shortestSecret = 6

/**
 * Without the beginning of a secret at the end of a text, which may be where it was cut off. One that is not loses no more than
 * what looks like it.
 */
function maskCutOff(text: string, secret: string): string {
  for (let length = Math.min(secret.length - 1, text.length); length >= shortestSecret; length--) {
    if (text.endsWith(secret.slice(0, length))) return text.slice(0, -length) + masked
  }
  return text
}

/** What a receiver answers, without what the endpoint's owner has it shown: a receiver that echoes must not tell the history. */
export function maskSent(text: string, { headers, credentials }: OpenedKeys): string {
  const sent = headers.map(({ value }) => value)
  if (credentials) {
    const { username, password } = credentials
    sent.push(password, Buffer.from(`${username}:${password}`).toString('base64'))
  }
  // A short one would also be found where it is not meant.
  return sent
    .filter((value) => value.length >= shortestSecret)
    .reduce((rest, value) => maskCutOff(rest.replaceAll(value, masked), value), text)
}

/** Request headers as they are kept: without credentials, and without the values of the owner’s own, which may be one. */
export function keptRequestHeaders(sent: Record<string, string>, own: { name: string }[]): Record<string, string> {
  const hidden = new Set(own.map(({ name }) => name.toLowerCase()))
  return Object.fromEntries(
    Object.entries(sent).map(([name, value]) => {
      return [name, hidden.has(name.toLowerCase()) || credentialHeader.test(name) ? masked : value]
    }),
  )
}

/** Response headers as they are kept: without credentials, and the first 2 kB of all of them together. */
export function keptResponseHeaders(
  received: Record<string, string | string[]>,
  keys: OpenedKeys,
): Record<string, string> {
  const kept: [string, string][] = []
  let left = keptHeaderBytes
  for (const [name, value] of Object.entries(received)) {
    const text = maskSent(Array.isArray(value) ? value.join(', ') : value, keys)
    left -= Buffer.byteLength(name)
    if (left <= 0) break
    const shown = credentialHeader.test(name) ? masked : cutTo(text, left)
    left -= Buffer.byteLength(shown)
    // After the cut, whose end counts as the end of a token. NUL is what PostgreSQL cannot store.
    kept.push([name, maskTokens(shown).replaceAll('\0', '\uFFFD')])
  }
  return Object.fromEntries(kept)
}

function cutTo(text: string, bytes: number): string {
  const whole = Buffer.from(text, 'utf8')
  return whole.length <= bytes ? text : new TextDecoder().decode(whole.subarray(0, bytes), { stream: true })
}
