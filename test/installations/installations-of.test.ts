import { beforeAll, expect, it } from 'vitest'
import { eachDatabase } from '../support/databases.ts'
import { openWorld, type World } from './world.ts'

eachDatabase((database) => {
  let world: World
  beforeAll(async () => {
    world = await openWorld(database)
  })

  it('says where what an organization publishes is installed and enabled, and since when', async () => {
    const { ctx, db, merchant, publisher, request, review, application, advance } = world
    const of = (publisherId: string, environment: 'production' | 'sandbox' = 'production') =>
      ctx.installationsOf(db, { publisherId }, environment)
    const [id, off] = [await application(), await application()]
    advance(60)
    const installedTime = ctx.clock.now().toISOString()
    for (const each of [id, off]) await request('PUT', `/application-instances/${each}`, { token: merchant.token })
    expect(await of(publisher.organizationId)).toHaveLength(2)
    await review(off, 'disable')

    const [only, ...others] = await of(publisher.organizationId)
    expect(only).toMatchObject({
      applicationId: id,
      publisherId: publisher.organizationId,
      organizationId: merchant.organizationId,
      locationId: null,
      installedTime,
    })
    expect(only!.permissions).toContain('customers:show')
    expect(others).toEqual([])
    const { installationId } = only!
    expect(await ctx.installationsOf(db, { installationId }, 'production')).toEqual([only])
    expect(await ctx.installationsOf(db, { installationId }, 'sandbox')).toEqual([])
    expect(await of(publisher.organizationId, 'sandbox')).toEqual([])
    expect(await of(merchant.organizationId)).toEqual([])
  })
})
