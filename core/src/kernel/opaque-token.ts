import { createHash, randomBytes } from 'node:crypto'
import { crc32 } from 'node:zlib'

const alphabet = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'
const randomLength = 30
const checksumLength = 6

/**
 * Kinds of opaque credential: `ak` API key, `it` installation token, `cs` client secret. The kind is in the text, so that a
 * secret scanner, and a person, can tell what leaked.
 */
export type TokenKind = 'ak' | 'it' | 'cs'

/**
 * A new secret `stoa_<kind>_<30 base62><6 base62 CRC-32>`: 178 bits of randomness, and a checksum that lets malformed ones be
 * refused before any lookup. Only `[A-Za-z0-9_]`, so nothing ever needs escaping. Layout after GitHub's and npm's tokens.
 */
export function mintToken(kind: TokenKind): string {
  const head = `stoa_${kind}_${randomBase62(randomLength)}`
  return head + checksum(head)
}

/** The kind of a well-formed token, or null when the text is not one or its checksum is wrong. */
export function tokenKind(token: string): TokenKind | null {
  const match = /^stoa_(ak|it|cs)_[0-9A-Za-z]{36}$/.exec(token)
  if (!match || checksum(token.slice(0, -checksumLength)) !== token.slice(-checksumLength)) return null
  return match[1] as TokenKind
}

/** SHA-256 in hexadecimal: what is stored. No slow hash, because 178 random bits cannot be guessed. */
export function hashToken(token: string): string {
  return createHash('sha256').update(token).digest('hex')
}

// Bytes of 248 and above are rejected: 248 is the largest multiple of 62, so every character is equally likely.
function randomBase62(length: number): string {
  let text = ''
  while (text.length < length) {
    for (const byte of randomBytes(length)) {
      if (byte < 248 && text.length < length) text += alphabet[byte % 62]
    }
  }
  return text
}

function checksum(head: string): string {
  let rest = crc32(head)
  let text = ''
  for (let i = 0; i < checksumLength; i++) {
    text = alphabet[rest % 62] + text
    rest = Math.floor(rest / 62)
  }
  return text
}
