import { demoLogo } from '@stoa/core/testing'
import * as rebilly from 'rebilly-js-sdk'
import { beforeAll, expect, test } from 'vitest'
import { eachDatabase } from '../support/databases.ts'
import { openHost, type OpenedHost } from '../support/host.ts'

/* Rebilly's own SDK, as it comes from npm: nothing but its base URL is set. */

// Its type declarations name a default export that the module does not have.
// oxlint-disable-next-line typescript/no-explicit-any -- the tests read members that its types leave out
const { RebillyAPI } = rebilly as unknown as { RebillyAPI: (options: object) => any }

eachDatabase((database) => {
  let opened: OpenedHost
  let author: ReturnType<typeof RebillyAPI>
  let merchant: ReturnType<typeof RebillyAPI>

  const sdk = (apiKey: string | null, organizationId?: string) =>
    RebillyAPI({
      ...(apiKey && { apiKey }),
      ...(organizationId && { organizationId }),
      sandbox: true,
      urls: { live: opened.url, sandbox: opened.url },
    })

  beforeAll(async () => {
    opened = await openHost(database)
    const { world } = opened
    author = sdk(world.publisher.apiKey, world.publisher.organizationId)
    merchant = sdk(world.organization.apiKey, world.organization.id)
  }, 120_000)

  const data = (logoId: string, name: string) => ({
    name,
    logoId,
    authorName: 'Rebilly author',
    tagline: 'From the SDK',
    description: 'Markdown **description**',
    permissions: [
      'GetCustomer',
      'GetCustomerCollection',
      'PutApplicationInstanceConfiguration',
      'GetApplicationInstanceConfiguration',
    ],
    properties: { type: 'object', properties: { color: { type: 'string' }, limit: { type: 'integer', maximum: 10 } } },
  })

  async function registered(name: string): Promise<string> {
    const logo = await author.files.upload({ fileObject: demoLogo() })
    const application = await author.applications.create({ data: data(logo.fields.id, name) })
    await opened.operator.approveApplication({ params: { id: application.fields.id } })
    return application.fields.id
  }

  test('registers an application and reads it back', async () => {
    const logo = await author.files.upload({ fileObject: demoLogo() })
    const created = await author.applications.create({ data: data(logo.fields.id, 'Created by SDK') })
    expect(created.response.status).toBe(201)
    expect(created.fields).toMatchObject({ status: 'pending-approval', tagline: 'From the SDK' })
    const read = await author.applications.get({ id: created.fields.id })
    expect(read.fields.properties).toEqual(data('', '').properties)
  })

  test('lists applications as a collection with its paging', async () => {
    await registered('Listed by SDK')
    const all = await merchant.applications.getAll({
      limit: 1,
      offset: 0,
      sort: '-createdTime',
      filter: 'status:available',
      expand: 'applicationInstance',
    })
    expect(all.items).toHaveLength(1)
    expect(all.items[0]!.fields.name).toBe('Listed by SDK')
    expect(all.limit).toBe(1)
    expect(all.total).toBeGreaterThan(1)
  })

  test('refusals become the SDK’s own errors', async () => {
    const refused = await author.applications
      .create({ data: { ...data('fil_unknown', 'Refused'), permissions: ['GetNothing'] } })
      .catch((error: unknown) => error)
    expect(refused.name).toBe('RebillyValidationError')
    expect(refused.invalidFields.length).toBeGreaterThan(0)
    await registered('Taken twice')
    const logo = await author.files.upload({ fileObject: demoLogo() })
    await expect(author.applications.create({ data: data(logo.fields.id, 'taken TWICE') })).rejects.toMatchObject({
      name: 'RebillyConflictError',
    })
    await expect(merchant.applications.get({ id: 'app_unknown' })).rejects.toMatchObject({
      name: 'RebillyNotFoundError',
    })
    await expect(sdk('sk_sandbox_wrong').applications.getAll()).rejects.toMatchObject({ status: 401 })
  })

  test('installs with an empty body, configures, reads and uninstalls', async () => {
    const applicationId = await registered('Installed by SDK')
    const installed = await merchant.applicationInstances.upsert({ applicationId })
    expect(installed.response.status).toBe(201)
    expect(installed.fields.status).toBe('enabled')
    const again = await merchant.applicationInstances.upsert({
      applicationId,
      data: { settings: { color: 'red', limit: 5 } },
    })
    expect(again.response.status).toBe(200)
    const saved = await merchant.applicationInstances.upsertConfiguration({
      applicationId,
      data: { settings: { color: 'blue', limit: 7 } },
    })
    expect(saved.fields.settings).toEqual({ color: 'blue', limit: 7 })
    const configuration = await merchant.applicationInstances.getConfiguration({ applicationId })
    expect(configuration.fields.settings).toEqual({ color: 'blue', limit: 7 })
    await expect(
      merchant.applicationInstances.upsertConfiguration({ applicationId, data: { settings: { limit: 'seven' } } }),
    ).rejects.toMatchObject({ name: 'RebillyValidationError' })
    // What was read can be sent back as it was, read-only members and all.
    const read = await merchant.applicationInstances.get({ applicationId })
    expect((await merchant.applicationInstances.upsert({ applicationId, data: read.fields })).response.status).toBe(200)
    expect((await merchant.applicationInstances.delete({ applicationId })).response.status).toBe(204)
    await expect(merchant.applicationInstances.get({ applicationId })).rejects.toMatchObject({
      name: 'RebillyNotFoundError',
    })
  })

  test('the owner sees instances, takes a token and acts with it, without the organization in the path', async () => {
    const applicationId = await registered('Owned by SDK')
    await merchant.applicationInstances.upsert({ applicationId })
    const instances = await author.applications.getInstances({ id: applicationId, limit: 10 })
    expect(instances.items.map((item: { fields: { organizationId: string } }) => item.fields.organizationId)).toEqual([
      opened.world.organization.id,
    ])
    const instance = await author.applications.getInstance({
      id: applicationId,
      organizationId: opened.world.organization.id,
    })
    const app = sdk(null)
    app.setSessionToken(instance.fields.token)
    const configuration = await app.applicationInstances.getConfiguration({ applicationId })
    expect(configuration.fields.settings).toEqual({})
  })

  test('a session token beside an API key decides alone', async () => {
    const both = sdk(opened.world.organization.apiKey)
    both.setSessionToken('wrong')
    await expect(both.applications.getAll()).rejects.toMatchObject({ status: 401 })
  })
})
