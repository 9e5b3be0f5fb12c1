import type { Environment } from './environment.ts'
import { withHost } from './open-host.ts'

export interface KeyOptions {
  permissions: string
  environment: string
  organization?: string
  operator?: boolean
}

/** `stoa api-key create`: prints the key, which is shown this once. */
export async function createKey(
  environment: Environment,
  name: string,
  email: string,
  options: KeyOptions,
): Promise<void> {
  if (options.environment !== 'production' && options.environment !== 'sandbox') {
    throw Object.assign(new Error('--environment must be production or sandbox.'), { code: 'usage' })
  }
  const keyEnvironment = options.environment
  if (!/^\S+@\S+\.\S+$/.test(email))
    throw Object.assign(new Error(`"${email}" is not an e-mail address.`), { code: 'usage' })
  await withHost(environment, async ({ services }) => {
    const user =
      (await services.findUserByEmail(email)) ?? (await services.createUser({ email, name: email.split('@')[0]! }))
    const organizationId =
      options.organization ?? (options.operator ? await platformOf(user.id) : await organizationOf(user.id))
    const { key, secret } = await services.createApiKey({
      organizationId,
      createdBy: user.id,
      name,
      permissions: options.permissions.split(',').map((each) => each.trim()),
      environment: keyEnvironment,
      expiresTime: null,
      applicationId: null,
    })
    console.log(`Name:          ${key.name}`)
    console.log(`Email:         ${user.email}`)
    console.log(`Organization:  ${organizationId}`)
    console.log(`Environment:   ${key.environment}`)
    console.log(`Key:           ${secret}`)
    console.log(`Documentation: ${environment.options.baseUrl}/api/documentation`)

    async function organizationOf(userId: string): Promise<string> {
      const [membership] = await services.listMemberships(userId)
      return membership?.organizationId ?? (await create(userId, user.name))
    }

    // Operators get an organization of their own: they keep what they are elsewhere.
    async function platformOf(userId: string): Promise<string> {
      const present = (await services.listMemberships(userId)).find(({ role }) => role === 'operator')
      if (present) return present.organizationId
      const id = await create(userId, 'Platform')
      await services.saveMembership({ organizationId: id, userId, role: 'operator' })
      return id
    }

    async function create(userId: string, name: string): Promise<string> {
      return (await services.createOrganization(userId, { name, email: user.email })).id
    }
  })
}
