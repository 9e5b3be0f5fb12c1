import jwt from 'jsonwebtoken'

/** The parts of a JWT, not yet believed; null for what is none. jsonwebtoken's own throws for a payload that is no JSON. */
export function decodeJwt(token: string): jwt.Jwt | null {
  try {
    return jwt.decode(token, { complete: true })
  } catch {
    return null
  }
}
