import { createHash, randomBytes } from 'node:crypto'
import type { HostConfig } from '@stoa/core'
import { demoLogo } from '@stoa/core/testing'
import type { TestDatabase } from '../support/databases.ts'
import { openHost, type Answer, type OpenedHost } from '../support/host.ts'
import { hiddenFields, openBrowser, type Browser, type Page } from './browser.ts'

export const callback = 'https://app.example/callback'

export interface App {
  id: string
  clientId: string
  /** Empty for public clients. */
  clientSecret: string
}

export interface Pkce {
  verifier: string
  challenge: string
}

export function pkce(): Pkce {
  const verifier = randomBytes(32).toString('base64url')
  return { verifier, challenge: createHash('sha256').update(verifier).digest('base64url') }
}

type Parameters = Record<string, string | undefined>

/** The real host, and what an author, a merchant's browser and a client do with its authorization server. */
export async function openOAuthWorld(database: TestDatabase, options: Partial<HostConfig> = {}) {
  const host = await openHost(database, options)
  return { ...host, ...actions(host) }
}
export type OAuthWorld = Awaited<ReturnType<typeof openOAuthWorld>>

export const usualPermissions = ['charges.write', 'charges.readonly', 'oauth.readonly', 'oauth.write']

function actions(host: OpenedHost) {
  const { world, url } = host
  let number = 0

  /** An application that is available in the store. `members` are those of POST /developers/applications. */
  async function app(members: Record<string, unknown> = {}): Promise<App> {
    const body = { name: `App ${++number}`, description: 'Does things.', redirectUris: [callback], ...members }
    const made = await host.publisher.createDeveloperApplication({
      body: { permissions: usualPermissions, ...body } as never,
    })
    const { id, clientId, clientSecret } = made as unknown as App
    const logo = await host.publisher.postFile({ body: demoLogo() })
    const listing = { logoId: logo.id, authorName: 'Ada', tagline: 'Does things' }
    await host.publisher.patchApplication({ params: { id }, body: listing as never })
    await host.publisher.submitApplication({ params: { id }, body: {} })
    await host.operator.approveApplication({ params: { id }, body: {} })
    return { id, clientId, clientSecret: clientSecret ?? '' }
  }

  /** A parameter that is undefined is left out. */
  function authorizeUrl(client: Pick<App, 'clientId'>, parameters: Parameters = {}): string {
    const all = { client_id: client.clientId, redirect_uri: callback, response_type: 'code', ...parameters }
    const given = Object.entries(all).filter((pair): pair is [string, string] => pair[1] !== undefined)
    return `${url}/oauth/authorize?${new URLSearchParams(given).toString()}`
  }

  /** A browser in which the merchant of the demo world is signed in. */
  async function signedIn(credentials: { email: string; password: string } = world.user): Promise<Browser> {
    const browser = openBrowser(url)
    const page = await browser.open(
      authorizeUrl(await anyApp(), { code_challenge: pkce().challenge, code_challenge_method: 'S256' }),
    )
    const { status } = await browser.post(`${url}/oauth/sign-in`, {
      ...hiddenFields(page, '/oauth/sign-in'),
      ...credentials,
    })
    if (status !== 303) throw new Error(`Signing in was answered ${status}`)
    return browser
  }
  let some: Promise<App> | undefined
  const anyApp = () => (some ??= app())

  /** Answers the page after the decision: usually a redirect to the application. */
  async function decide(browser: Browser, page: Page, form: Record<string, string | string[]> = {}): Promise<Page> {
    const location = world.locations[0]!.id
    const usual = { decision: 'allow', target: 'locations', location }
    return browser.post(`${url}/oauth/consent`, { ...hiddenFields(page, '/oauth/consent'), ...usual, ...form })
  }

  /** The parameters with which the browser comes back to the application. */
  async function authorize(
    client: Pick<App, 'clientId'>,
    {
      browser,
      parameters = {},
      form = {},
    }: { browser?: Browser; parameters?: Parameters; form?: Record<string, string | string[]> } = {},
  ): Promise<URLSearchParams> {
    const visitor = browser ?? (await signedIn())
    const page = await visitor.open(authorizeUrl(client, parameters))
    const { location, status, text } = await decide(visitor, page, form)
    if (location === null) throw new Error(`The decision was answered ${status}: ${text}`)
    return new URL(location).searchParams
  }

  /** POSTs a form to an OAuth endpoint. */
  async function post(path: string, form: Parameters, headers: Record<string, string> = {}): Promise<Answer> {
    const given = Object.entries(form).filter((pair): pair is [string, string] => pair[1] !== undefined)
    const body = new URLSearchParams(given).toString()
    return host.call('POST', path, {
      body,
      headers: { 'Content-Type': 'application/x-www-form-urlencoded', ...headers },
    })
  }
  const token = (form: Parameters, headers?: Record<string, string>) => post('/oauth/token', form, headers)

  /** Authorization and exchange in one: the answer of the token endpoint. */
  async function tokens(
    client: App,
    options: { browser?: Browser; parameters?: Parameters; form?: Record<string, string | string[]> } = {},
  ): Promise<Answer> {
    const { verifier, challenge } = pkce()
    const parameters = { code_challenge: challenge, code_challenge_method: 'S256', ...options.parameters }
    const back = await authorize(client, { ...options, parameters })
    return token({
      grant_type: 'authorization_code',
      code: back.get('code') ?? undefined,
      redirect_uri: options.parameters?.redirect_uri ?? callback,
      code_verifier: verifier,
      ...clientForm(client),
    })
  }

  const refresh = (client: App, refreshToken: string, form: Parameters = {}) =>
    token({ grant_type: 'refresh_token', refresh_token: refreshToken, ...clientForm(client), ...form })

  return { app, authorizeUrl, signedIn, decide, authorize, post, token, tokens, refresh }
}

/** How a client says who it is, in the form. */
export function clientForm({ clientId, clientSecret }: App): { client_id: string; client_secret?: string } {
  return { client_id: clientId, ...(clientSecret !== '' && { client_secret: clientSecret }) }
}
