import { HighLevel, type HighLevelConfig } from '@gohighlevel/api-client'
import type { HostConfig } from '@stoa/core'
import { callback, openOAuthWorld, usualPermissions, type App } from '../oauth/world.ts'
import type { Browser } from '../oauth/browser.ts'
import type { TestDatabase } from '../support/databases.ts'

export { callback, type App }

/** What an application for HighLevel asks for, in HighLevel's names. */
export const scopes = [...usualPermissions, 'marketplace-installer-details.readonly']

/** What the SDK answers, read as the text on the wire: its types leave half of the members out. */
// oxlint-disable-next-line typescript/no-explicit-any -- tests look into answers of every shape
export type Wire = any

export interface Install {
  browser?: Browser
  scope?: string[]
  /** Whether the code exchange names redirect_uri, which the SDK leaves to its caller. */
  naming?: boolean
  form?: Record<string, string | string[]>
}

/** HighLevel's own SDK, as it comes from npm, before the real host: nothing is set but where that is. */
export async function openHighLevelWorld(database: TestDatabase, options: Partial<HostConfig> = {}) {
  const world = await openOAuthWorld(database, options)
  const companyId = world.world.organization.id

  /** An application in the store whose client is the SDK, which knows neither PKCE nor state. */
  const app = (members: Record<string, unknown> = {}): Promise<App> =>
    world.app({ requiresPkce: false, permissions: scopes, ...members })

  function sdk({ clientId, clientSecret }: App, config: Partial<HighLevelConfig> = {}): HighLevel {
    const ghl = new HighLevel({ clientId, clientSecret, logLevel: 'none' as never, ...config })
    ghl.getHttpClient().defaults.baseURL = world.url
    Object.assign(ghl.oauth, { MARKETPLACE_URL: world.url })
    return ghl
  }

  /** What a caller of the SDK hands in whose variables are empty: it makes the word `undefined` of them. */
  const codeForm = ({ clientId, clientSecret }: App, code: string) => ({
    client_id: clientId,
    client_secret: clientSecret,
    grant_type: 'authorization_code',
    code,
    user_type: undefined as never,
    redirect_uri: undefined as never,
  })

  /** A person opens the SDK's address, allows, and the SDK exchanges the code. */
  async function install(client: App, ghl: HighLevel, options: Install = {}): Promise<Wire> {
    const { form = {}, naming = false } = options
    const browser = options.browser ?? (await signedIn())
    const url = ghl.oauth.getAuthorizationUrl(client.clientId, callback, (options.scope ?? scopes).join(' '))
    const page = await browser.open(url)
    const back = await world.decide(browser, page, form)
    if (back.location === null) throw new Error(`The decision was answered ${back.status}: ${back.text}`)
    const code = new URL(back.location).searchParams.get('code')!
    return ghl.oauth.getAccessToken({ ...codeForm(client, code), ...(naming && { redirect_uri: callback }) })
  }
  // One browser for all: signing in takes the time of a password hash.
  let visitor: Promise<Browser> | undefined
  const signedIn = () => (visitor ??= world.signedIn())

  /** An application that is installed on the first location, and an SDK that holds its token as a session. */
  async function atLocation(members: Record<string, unknown> = {}, config: Partial<HighLevelConfig> = {}) {
    const client = await app(members)
    const ghl = sdk(client, config)
    const token = await install(client, ghl, { scope: (members.permissions as string[] | undefined) ?? scopes })
    const { locationId } = token as { locationId: string }
    await ghl.getSessionStorage().setSession(locationId, token)
    return { client, ghl, token, locationId, at: { headers: { locationId } } }
  }

  /** As atLocation, for all locations and those to come. */
  async function atCompany(members: Record<string, unknown> = {}, config: Partial<HighLevelConfig> = {}) {
    const client = await app(members)
    const ghl = sdk(client, config)
    const token = await install(client, ghl, { form: { target: 'all', future: 'yes' } })
    await ghl.getSessionStorage().setSession(companyId, token)
    return { client, ghl, token, companyId, at: { headers: { companyId } } }
  }

  const revoke = (client: App, token: string) =>
    world.post('/oauth/revoke', { token, client_id: client.clientId, client_secret: client.clientSecret })

  const fixedMeter = async ({ id }: App): Promise<string> => {
    const body = { name: 'Greetings', unit: 'greeting', priceType: 'fixed', price: '0.05' } as const
    return (await world.publisher.createMeter({ params: { id }, body })).id
  }
  const dynamicMeter = async ({ id }: App): Promise<string> => {
    const body = { name: 'Speeches', unit: 'minute', priceType: 'dynamic', minPrice: '0.01', maxPrice: '5' } as const
    return (await world.publisher.createMeter({ params: { id }, body })).id
  }

  let events = 0
  /** What the SDK's `charge` takes, for two units of a meter. */
  const chargeOf = ({ id }: App, meterId: string, locationId: string, members: Record<string, unknown> = {}): Wire => ({
    appId: id,
    meterId,
    eventId: `evt_${++events}`,
    locationId,
    companyId,
    description: 'Two greetings',
    units: 2,
    ...members,
  })

  return {
    ...world,
    app,
    sdk,
    signedIn,
    codeForm,
    install,
    atLocation,
    atCompany,
    revoke,
    fixedMeter,
    dynamicMeter,
    chargeOf,
    companyId,
    locationIds: world.world.locations.map(({ id }) => id),
  }
}
export type HighLevelWorld = Awaited<ReturnType<typeof openHighLevelWorld>>

/** What was thrown; throws itself when nothing was. */
export async function refusalOf(promise: Promise<unknown>): Promise<Wire> {
  const outcome = await promise.then(
    () => null,
    (error: unknown) => ({ error }),
  )
  if (outcome === null) throw new Error('Nothing was refused')
  return outcome.error
}
