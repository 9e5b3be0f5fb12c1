import { invalidField } from '../kernel/index.ts'
import type { ClientType } from './application.ts'

const loopback = new Set(['localhost', '127.0.0.1', '[::1]'])

/** An address that tokens or codes are sent along to: nobody on the way may read it, and nothing may be appended to it. */
export function checkEndpoint(field: string, text: string): void {
  const url = parseUrl(field, text)
  if (!isSecure(url)) throw refusal(field, 'must use https, or http on localhost, 127.0.0.1 or [::1]')
  if (text.includes('#')) throw refusal(field, 'must not have a fragment')
}

export function checkWebsite(text: string): void {
  const { protocol } = parseUrl('website', text)
  if (protocol !== 'https:' && protocol !== 'http:') throw refusal('website', 'must use https or http')
}

/** A scheme that a native application made of a domain name of its own, with a path: RFC 8252 section 7.1. */
const privateUse = /^[a-z][a-z\d+-]*(\.[a-z\d+-]+)+:\/[^\s\\]*$/

/**
 * Where an authorization may return to: https anywhere, http on a loopback address and, for native applications, a scheme of
 * their own that contains a dot. It is compared character by character later (RFC 9700 section 2.1), so it has to be written as
 * URL parsers write it: what they would repair is read in two ways by two programs. Throws 422 `invalid_url`.
 */
export function checkRedirectUri(field: string, text: string, clientType: ClientType): void {
  if (text.includes('#')) throw refusal(field, 'must not have a fragment')
  if (text.includes('*')) throw refusal(field, 'must not have a wildcard: every address is listed as it is')
  const isPrivate = privateUse.test(text)
  if (isPrivate && clientType !== 'native') {
    throw refusal(field, 'may use a scheme of its own only when clientType is native; others use https')
  }
  const url = isPrivate ? parsed(field, text) : parseUrl(field, text)
  if (!isPrivate && !isSecure(url)) {
    throw refusal(
      field,
      'must use https, or http on localhost, 127.0.0.1 or [::1]; a native application also a scheme of its own with a dot, such as com.example.app:/callback',
    )
  }
  // Without a path, the slash may be missing: parsers agree on what that means.
  const isBare = !isPrivate && url.pathname === '/' && url.search === ''
  if (url.href !== text && !(isBare && url.href === `${text}/`)) throw refusal(field, `must be written as ${url.href}`)
}

function isSecure(url: URL): boolean {
  return url.protocol === 'https:' || (url.protocol === 'http:' && loopback.has(url.hostname))
}

function parseUrl(field: string, text: string): URL {
  // What URL() would repair (spaces, backslashes, a missing slash) is compared text by text elsewhere, so it must be right.
  if (!/^[a-z][a-z\d+.-]*:\/\/[^\s\\]+$/i.test(text)) throw refusal(field, 'must be an absolute URL')
  return parsed(field, text)
}

function parsed(field: string, text: string): URL {
  if (!URL.canParse(text)) throw refusal(field, 'must be an absolute URL')
  const url = new URL(text)
  if (url.username !== '' || url.password !== '') throw refusal(field, 'must not carry a user name')
  return url
}

function refusal(field: string, message: string) {
  return invalidField(field, message, 'invalid_url')
}
