import { createHash, randomBytes } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { exportJWK, generateKeyPair, SignJWT, type CryptoKey, type JWTPayload } from 'jose'

/** What a grant is for. */
type Tenant = {
  userType: 'Location' | 'Company' | 'Application'
  companyId?: string
  locationId?: string
  environment?: string
}

interface Family {
  tenant: Tenant
  /** The one refresh token that is good now. */
  current: string
  dead: boolean
}

export interface FakeHost {
  url: string
  clientId: string
  clientSecret: string
  redirectUri: string
  /** What the customer chooses on the consent page; an OAuth error code for "no". */
  consent: Tenant | string
  /** Sent in the place of the true issuer; null sends none. */
  issuer: string | null | undefined
  /** Status with which the token endpoint answers everything. */
  trouble: number | null
  /** Whether the customer has switched the app off: tokens are refused, and good again afterwards. */
  isOff: boolean
  /** Whether refresh answers have a new refresh token in them. */
  rotates: boolean
  /** How long access tokens live. */
  lifeSeconds: number
  /** Locations for which the company's token may be exchanged. */
  locations: Set<string>
  /** Requests per grant type that were authenticated. */
  counts: Record<string, number>
  /** Requests per path. */
  paths: Record<string, number>
  /** Ends access tokens; their refresh tokens stay good. */
  endAccessTokens(): void
  /** Ends everything that was given to these tenants. */
  uninstall(isGone?: (tenant: Tenant) => boolean): void
  /** Among the published ones, as `key-2`, but for ES384. */
  otherKey: CryptoKey
  contextToken(claims?: JWTPayload, header?: Record<string, unknown>, key?: CryptoKey): Promise<string>
  stop(): Promise<void>
}

/**
 * A small, strict authorization server for tests of the SDK: it believes nothing, gives each refresh token one use and
 * ends the family on the second. Its consent page says at once what the test chose.
 */
export async function openFakeHost(redirectUri = 'http://localhost:3000/callback'): Promise<FakeHost> {
  const codes = new Map<string, { challenge: string; tenant: Tenant; used: boolean }>()
  const access = new Map<string, Tenant>()
  const families: Family[] = []
  const { publicKey, privateKey } = await generateKeyPair('ES256')
  const other = await generateKeyPair('ES384')
  const keys = [
    { ...(await exportJWK(publicKey)), kid: 'key-1', alg: 'ES256', use: 'sig' },
    { ...(await exportJWK(other.publicKey)), kid: 'key-2', alg: 'ES384', use: 'sig' },
  ]

  const routes: Record<string, (req: IncomingMessage, res: ServerResponse, url: URL) => unknown> = {
    '/.well-known/oauth-authorization-server': () => ({
      issuer: host.url,
      authorization_endpoint: `${host.url}/oauth/authorize`,
      token_endpoint: `${host.url}/oauth/token`,
      jwks_uri: `${host.url}/oauth/jwks`,
      response_types_supported: ['code'],
      code_challenge_methods_supported: ['S256'],
      authorization_response_iss_parameter_supported: true,
    }),
    '/oauth/authorize': (_req, res, url) => authorize(res, url.searchParams),
    '/oauth/token': token,
    '/oauth/jwks': () => ({ keys }),
  }

  function authorize(res: ServerResponse, query: URLSearchParams): unknown {
    const given = Object.fromEntries(query)
    const wrong =
      given['client_id'] !== host.clientId ||
      given['redirect_uri'] !== host.redirectUri ||
      given['response_type'] !== 'code' ||
      given['code_challenge_method'] !== 'S256' ||
      !/^[\w-]{43}$/.test(given['code_challenge'] ?? '') ||
      !given['state']
    if (wrong) return refuse(res, 400, 'invalid_request')
    const answer = new URLSearchParams({ state: given['state']! })
    if (host.issuer !== null) answer.set('iss', host.issuer ?? host.url)
    if (typeof host.consent === 'string') {
      answer.set('error', host.consent)
    } else {
      const code = mint('ac')
      codes.set(code, { challenge: given['code_challenge']!, tenant: host.consent, used: false })
      answer.set('code', code)
    }
    res.writeHead(303, { location: `${host.redirectUri}?${answer.toString()}` }).end()
  }

  async function token(req: IncomingMessage, res: ServerResponse): Promise<unknown> {
    // A code that is only true of a 400: a server in trouble is not to be believed.
    if (host.trouble !== null) return refuse(res, host.trouble, host.trouble < 500 ? 'slow_down' : 'invalid_grant')
    if (req.method !== 'POST' || !req.headers['content-type']?.startsWith('application/x-www-form-urlencoded')) {
      return refuse(res, 400, 'invalid_request')
    }
    let text = ''
    for await (const chunk of req) text += String(chunk)
    const body = Object.fromEntries(new URLSearchParams(text))
    if (!isClient(req, body)) {
      res.setHeader('www-authenticate', 'Basic realm="fake"')
      return refuse(res, 401, 'invalid_client')
    }
    const grant = body['grant_type'] ?? ''
    host.counts[grant] = (host.counts[grant] ?? 0) + 1
    // As slow as a real one, so that what is not single-flight shows.
    await new Promise((resolve) => setTimeout(resolve, 20))
    switch (grant) {
      case 'authorization_code':
        return redeem(res, body)
      case 'refresh_token':
        return refresh(res, body)
      case 'client_credentials':
        return give({ userType: 'Application', environment: body['environment'] })
      case 'urn:ietf:params:oauth:grant-type:token-exchange':
        return exchange(res, body)
      default:
        return refuse(res, 400, 'unsupported_grant_type')
    }
  }

  function isClient(req: IncomingMessage, body: Record<string, string>): boolean {
    const basic = req.headers.authorization?.match(/^Basic (.+)$/)?.[1]
    const [id, secret] = basic
      ? Buffer.from(basic, 'base64').toString().split(':').map(decodeURIComponent)
      : [body['client_id'], body['client_secret']]
    if (basic && body['client_secret'] !== undefined) return false
    return id === host.clientId && secret === host.clientSecret
  }

  function redeem(res: ServerResponse, body: Record<string, string>): unknown {
    const found = codes.get(body['code'] ?? '')
    const challenge = createHash('sha256')
      .update(body['code_verifier'] ?? '')
      .digest('base64url')
    if (!found || found.used || found.challenge !== challenge || body['redirect_uri'] !== host.redirectUri) {
      return refuse(res, 400, 'invalid_grant')
    }
    found.used = true
    const family = newFamily({ ...found.tenant })
    return give(family.tenant, family)
  }

  function refresh(res: ServerResponse, body: Record<string, string>): unknown {
    const given = body['refresh_token'] ?? ''
    const family = families.find(({ current }) => current.split(' ').includes(given))
    if (!family || family.dead || !family.current.startsWith(given)) {
      if (family) kill(family)
      return refuse(res, 400, 'invalid_grant')
    }
    if (host.isOff) return refuse(res, 400, 'invalid_grant', 'Location is not active.', 'not_active')
    if (!host.rotates) return give(family.tenant)
    // The current one first, and behind it those that were used.
    family.current = `${mint('rt')} ${family.current}`
    return give(family.tenant, family)
  }

  function exchange(res: ServerResponse, body: Record<string, string>): unknown {
    const company = access.get(body['subject_token'] ?? '')
    const { subject_token_type: type, location_id: locationId = '' } = body
    if (type !== 'urn:ietf:params:oauth:token-type:access_token') return refuse(res, 400, 'invalid_request')
    if (company?.userType !== 'Company') return refuse(res, 400, 'invalid_grant')
    if (!host.locations.has(locationId)) return refuse(res, 400, 'invalid_target')
    const tenant: Tenant = { userType: 'Location', companyId: company.companyId, locationId }
    return { ...give(tenant, newFamily(tenant)), issued_token_type: type }
  }

  function newFamily(tenant: Tenant): Family {
    const family = { tenant, current: mint('rt'), dead: false }
    families.push(family)
    return family
  }

  function give(tenant: Tenant, family?: Family): object {
    const accessToken = mint('at')
    access.set(accessToken, tenant)
    return {
      access_token: accessToken,
      token_type: 'Bearer',
      expires_in: host.lifeSeconds,
      scope: 'charges.readonly charges.write',
      ...(family && { refresh_token: family.current.split(' ')[0] }),
      ...tenant,
      userId: 'usr_1',
      ...(tenant.userType === 'Company' && { approvedLocations: [...host.locations] }),
    }
  }

  function kill(family: Family): void {
    family.dead = true
    for (const [value, tenant] of access) if (tenant === family.tenant) access.delete(value)
  }

  /** Everything else is the platform's API, which says who asks. */
  function api(req: IncomingMessage, res: ServerResponse): unknown {
    const tenant = host.isOff ? undefined : access.get(req.headers.authorization?.replace('Bearer ', '') ?? '')
    return tenant ?? refuse(res, 401, 'revoked_token')
  }

  const server = createServer((req, res) => {
    const url = new URL(req.url ?? '/', host.url)
    host.paths[url.pathname] = (host.paths[url.pathname] ?? 0) + 1
    void Promise.resolve((routes[url.pathname] ?? api)(req, res, url)).then((body) => {
      if (res.writableEnded) return
      res.writeHead(200, { 'content-type': 'application/json', 'cache-control': 'no-store' })
      res.end(JSON.stringify(body))
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))

  const host: FakeHost = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    clientId: 'app_1-abcdef01',
    clientSecret: 'stoa_cs_a-secret:with%odd+characters',
    redirectUri,
    consent: { userType: 'Location', companyId: 'org_1', locationId: 'loc_1' },
    issuer: undefined,
    trouble: null,
    isOff: false,
    rotates: true,
    lifeSeconds: 3_600,
    locations: new Set(['loc_1', 'loc_2']),
    counts: {},
    paths: {},
    endAccessTokens: () => access.clear(),
    uninstall(isGone = () => true) {
      for (const family of families) if (isGone(family.tenant)) kill(family)
    },
    otherKey: other.privateKey,
    contextToken: (claims, header, key = privateKey) =>
      new SignJWT({
        iss: host.url,
        aud: host.clientId,
        sub: 'usr_1',
        companyId: 'org_1',
        locationId: 'loc_1',
        role: 'admin',
        environment: 'production',
        iat: seconds(),
        exp: seconds() + 60,
        ...claims,
      })
        .setProtectedHeader({ alg: 'ES256', kid: 'key-1', typ: 'context+jwt', ...header })
        .sign(key),
    stop: () =>
      new Promise((resolve) => {
        server.closeAllConnections()
        server.close(() => resolve())
      }),
  }
  return host
}

function refuse(res: ServerResponse, status: number, error: string, description?: string, reason?: string): void {
  res.writeHead(status, { 'content-type': 'application/json' })
  res.end(JSON.stringify({ error, code: error, error_description: description, reason }))
}

function mint(kind: string): string {
  return `stoa_${kind}_${randomBytes(16).toString('hex')}`
}

function seconds(): number {
  return Math.floor(Date.now() / 1_000)
}
