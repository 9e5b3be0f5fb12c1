import { randomBytes } from 'node:crypto'
import { createClient, StoaApiError, type Client } from '@stoa/sdk'
import type { Host } from '../host.ts'
import type { Environment } from '../context.ts'
import { demoLogo } from './demo-logo.ts'
import { listenOn } from './listen.ts'

/** Everything needed to act in the demo world. `stoa seed --json` prints it. */
export interface DemoWorld {
  baseUrl: string
  operator: { apiKey: string }
  /** The merchant. */
  organization: { id: string; apiKey: string }
  locations: { id: string }[]
  publisher: { organizationId: string; apiKey: string }
  application: { id: string; clientId: string; clientSecret: string; meters: { fixed: string; dynamic: string } }
  /** Owner of the merchant organization. */
  user: { email: string; password: string }
  /** The same organizations' keys for the sandbox. */
  sandbox: { organization: { apiKey: string }; publisher: { apiKey: string } }
}

export interface SeedOptions {
  baseUrl: string
  /** What an earlier run answered; returned as it is while its keys still work. */
  previous?: DemoWorld | null
}

const funds = '100'
const everything = ['*', 'api-keys:*', 'application-keys:*', 'members:*']

/**
 * Makes a platform operator, a publisher with an available application (two meters, a settings schema) and a merchant with two
 * funded locations. Everything is found or made, so it can run again; without `previous` it makes new keys and secrets,
 * because the old ones cannot be read back. It uses the host's own API wherever a client could.
 */
export async function seedDemoWorld(host: Host, { baseUrl, previous }: SeedOptions): Promise<DemoWorld> {
  const { url, close } = await listenOn(host)
  try {
    if (previous && (await stillWorks(url, previous))) return { ...previous, baseUrl }
    const operator = await person(host, 'operator', 'Olive Operator', 'Demo platform')
    await host.services.saveMembership({
      organizationId: operator.organizationId,
      userId: operator.userId,
      role: 'operator',
    })
    const author = await person(host, 'author', 'Ada Author', 'Demo publisher')
    const merchant = await person(host, 'merchant', 'Mo Merchant', 'Demo merchant')
    const password = randomBytes(12).toString('base64url')
    await host.services.setPassword(merchant.userId, password)

    const operatorKey = await key(host, operator, 'production')
    const publisherKey = await key(host, author, 'production')
    const merchantKey = await key(host, merchant, 'production')
    const asOperator = createClient({ baseUrl: url, token: operatorKey })
    const locations = await findOrMakeLocations(createClient({ baseUrl: url, token: merchantKey }))
    await fund(asOperator, merchant.organizationId, locations)
    return {
      baseUrl,
      operator: { apiKey: operatorKey },
      organization: { id: merchant.organizationId, apiKey: merchantKey },
      locations: locations.map((id) => ({ id })),
      publisher: { organizationId: author.organizationId, apiKey: publisherKey },
      application: await findOrMakeApplication(createClient({ baseUrl: url, token: publisherKey }), asOperator),
      user: { email: 'merchant@stoa.example', password },
      sandbox: {
        organization: { apiKey: await key(host, merchant, 'sandbox') },
        publisher: { apiKey: await key(host, author, 'sandbox') },
      },
    }
  } finally {
    await close()
  }
}

interface Person {
  userId: string
  organizationId: string
}

// Found by ids that only the host's own code can give, so that nobody's account is ever taken for a demo one.
async function person({ services }: Host, role: string, name: string, organization: string): Promise<Person> {
  const userId = `usr_demo_${role}`
  const organizationId = `org_demo_${role}`
  const email = `${role}@stoa.example`
  if ((await services.findUserByEmail(email))?.id !== userId) await services.createUser({ id: userId, email, name })
  const memberships = await services.listMemberships(userId)
  if (!memberships.some((each) => each.organizationId === organizationId)) {
    await services.createOrganization(userId, { id: organizationId, name: organization, email })
  }
  return { userId, organizationId }
}

async function key({ services }: Host, { userId, organizationId }: Person, environment: Environment): Promise<string> {
  const { secret } = await services.createApiKey({
    organizationId,
    createdBy: userId,
    name: 'Demo',
    permissions: everything,
    environment,
    expiresTime: null,
    applicationId: null,
  })
  return secret
}

async function stillWorks(url: string, { operator, organization, publisher }: DemoWorld): Promise<boolean> {
  try {
    for (const { apiKey } of [operator, organization, publisher])
      await createClient({ baseUrl: url, token: apiKey }).getMe()
    return true
  } catch (error) {
    if (error instanceof StoaApiError && error.status === 401) return false
    throw error
  }
}

async function findOrMakeLocations(merchant: Client): Promise<string[]> {
  const present = await merchant.listLocations()
  const missing = ['Demo location North', 'Demo location South'].filter(
    (name) => !present.some((each) => each.name === name),
  )
  for (const name of missing) await merchant.createLocation({ body: { name, address: '1 Agora Street' } })
  return (await merchant.listLocations()).map(({ id }) => id).slice(0, 2)
}

async function fund(operator: Client, organizationId: string, locations: string[]): Promise<void> {
  const targets = [{ organizationId }, ...locations.map((locationId) => ({ locationId }))]
  for (const environment of ['production', 'sandbox'] as const) {
    for (const target of targets) {
      const reference = `demo-${Object.values(target)[0]}-${environment}`
      await operator.topUp({ body: { ...target, amount: funds, environment, reference, description: 'Demo funds' } })
    }
  }
}

const settings = {
  type: 'object',
  properties: {
    greeting: { type: 'string', title: 'Greeting', default: 'Hello', maxLength: 100 },
    loud: { type: 'boolean', title: 'Speak up', default: false },
    mailKey: { type: 'string', title: 'Key of your mail service', writeOnly: true, maxLength: 200 },
  },
  additionalProperties: false,
}

async function findOrMakeApplication(publisher: Client, operator: Client): Promise<DemoWorld['application']> {
  const name = 'Hello Stoa'
  const listed = (await publisher.listDeveloperApplications()).find((each) => each.name === name)
  const id = listed?.id ?? (await makeApplication(publisher, operator, name))
  const { clientId } = await publisher.getDeveloperApplication({ params: { id } })
  const { clientSecret } = await publisher.rotateClientSecret({ params: { id } })
  const meters = await publisher.listMeters({ params: { id } })
  const fixed =
    meters.find((meter) => meter.priceType === 'fixed') ??
    (await publisher.createMeter({
      params: { id },
      body: { name: 'Greetings', unit: 'greeting', priceType: 'fixed', price: '0.05' },
    }))
  const dynamic =
    meters.find((meter) => meter.priceType === 'dynamic') ??
    (await publisher.createMeter({
      params: { id },
      body: { name: 'Speeches', unit: 'minute', priceType: 'dynamic', minPrice: '0.01', maxPrice: '5' },
    }))
  return { id, clientId, clientSecret, meters: { fixed: fixed.id, dynamic: dynamic.id } }
}

async function makeApplication(publisher: Client, operator: Client, name: string): Promise<string> {
  const logo = await publisher.postFile({ body: demoLogo() })
  const { id } = await publisher.postApplication({
    body: {
      name,
      logoId: logo.id,
      authorName: 'Demo publisher',
      tagline: 'Greets your customers',
      description: 'Says **hello**, reads its settings and charges for it.',
      permissions: [
        'charges.write',
        'charges.readonly',
        'GetApplicationInstanceConfiguration',
        'marketplace-installer-details.readonly',
        'oauth.write',
        'locations:show',
        'organizations:show',
      ],
      properties: settings,
    },
  })
  await operator.approveApplication({ params: { id } })
  return id
}
