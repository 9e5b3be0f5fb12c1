import fc from 'fast-check'
import { beforeAll, expect, it } from 'vitest'
import { eachDatabase } from '../support/databases.ts'
import { universe } from './access-model.ts'
import { InstallationModel, type Action } from './model.ts'
import { openWorld, type World } from './world.ts'

const plain = fc
  .constantFrom('install', 'uninstall', 'enable', 'disable', 'toggleApplication')
  .map((each) => ({ do: each }))
const withEvent = fc.record({ do: fc.constantFrom('deliver', 'exhaust'), event: fc.nat(20) })
const wait = fc.record({ do: fc.constant('wait'), seconds: fc.constantFrom(0, 1, 299, 301, 601, 4000) })
const names = fc.subarray(universe)
const release = fc.record({ do: fc.constant('release'), required: names, optional: names })
const decision = fc.record({
  do: fc.constantFrom('approve', 'refuse', 'choose'),
  isStale: fc.constantFrom(false, false, false, true),
  chosen: fc.oneof(fc.constant([]), names),
})
const anyAction = fc.oneof(
  { weight: 5, arbitrary: plain },
  { weight: 3, arbitrary: withEvent },
  { weight: 2, arbitrary: wait },
  { weight: 2, arbitrary: release },
  { weight: 4, arbitrary: decision },
) as fc.Arbitrary<Action>
const traits = fc.record({ acknowledges: fc.boolean(), isHeard: fc.boolean() })

eachDatabase((database) => {
  let world: World
  beforeAll(async () => {
    world = await openWorld(database)
  })

  it(
    'moves as the model of the state machine does, whatever happens in whatever order',
    { timeout: 240_000 },
    async () => {
      const property = fc.asyncProperty(
        traits,
        fc.array(anyAction, { minLength: 3, maxLength: 26 }),
        async (trait, actions) => {
          // Acknowledging without a listener is what `nobody_subscribed` is for; both are allowed in every combination.
          const id = await world.application({ acknowledges: trait.acknowledges })
          const endpoint = trait.isHeard ? await world.subscribe(id) : null
          const { installations, tokens } = world.ctx.config
          const model = new InstallationModel(trait, { ...installations, tokenSeconds: tokens.installationSeconds })
          await world
            .db('stoa_applications')
            .where({ id })
            .update({
              permissions: JSON.stringify(model.access.required),
              version: model.access.version,
            })
          let identity: unknown
          for (const action of actions) {
            const expected = model.take(action)
            expect([action.do, await perform(world, id, action)]).toEqual([action.do, expected])
            await compare(world, id, model)
            const rows = (await world.db('stoa_installations').where({ application_id: id }).select('id')) as unknown[]
            identity ??= rows[0]
            expect(rows).toEqual(identity ? [identity] : [])
          }
          const told = world.lifecycle.filter(({ applicationId }) => applicationId === id)
          expect(told.map(({ from, to }) => [from, to])).toEqual(model.steps)
          // A publisher has 25 at most, and there are more runs than that.
          if (endpoint) await world.db('stoa_webhook_endpoints').where({ id: endpoint }).update({ status: 'DISABLED' })
        },
      )
      await fc.assert(property, { numRuns: 40 })
    },
  )
})

async function perform(world: World, id: string, action: Action): Promise<number | null> {
  const { token } = world.merchant
  const path = `/application-instances/${id}`
  switch (action.do) {
    case 'install':
      return (await world.request('PUT', path, { token })).status
    case 'uninstall':
      return (await world.request('DELETE', path, { token })).status
    case 'enable':
    case 'disable':
      return (await world.request('POST', `${path}/${action.do}`, { token })).status
    case 'toggleApplication': {
      const [{ status } = { status: '' }] = (await world.db('stoa_applications').where({ id })) as { status: string }[]
      await world.review(id, status === 'available' ? 'disable' : 'enable')
      return null
    }
    case 'deliver':
    case 'exhaust': {
      const events = await world.events(id)
      const event = events[action.event % events.length]
      if (event) await (action.do === 'deliver' ? world.delivered(event) : world.exhausted(event))
      return null
    }
    case 'wait':
      world.advance(action.seconds)
      await world.work()
      return null
    case 'release':
      await world.release(id, { permissions: action.required, optionalPermissions: action.optional })
      return null
    case 'choose': {
      const body = { optionalPermissions: action.chosen }
      return (await world.request('PUT', `${path}/access/optional`, { token, body })).status
    }
    case 'approve':
    case 'refuse': {
      const [row] = (await world.db('stoa_applications').where({ id }).select('version')) as { version: unknown }[]
      const version = Number(row!.version) - (action.isStale ? 1 : 0)
      const body = { version, ...(action.do === 'approve' && { optionalPermissions: action.chosen }) }
      return (await world.request('POST', `${path}/access/${action.do}`, { token, body })).status
    }
  }
}

async function compare(world: World, id: string, model: InstallationModel): Promise<void> {
  const path = `/application-instances/${id}`
  const seen = await world.request('GET', path, { token: world.merchant.token })
  expect(seen.status).toBe(model.isPresent ? 200 : 404)
  if (model.isPresent) {
    expect(seen.body.status).toBe(model.status)
    expect(seen.body.problem !== undefined).toBe(model.hasProblem)
    // No reason while all is well, and always one when it is not.
    expect(seen.body.statusReason !== undefined).toBe(model.status === 'disabling' || model.status === 'disabled')
    const { grant, installedVersion, status } = model.access
    expect([seen.body.permissions, seen.body.version]).toEqual([grant, installedVersion])
    expect(seen.body.pendingAccess).toBe(!model.isUninstalled && status === 'pending' ? true : undefined)
    if (!model.isUninstalled) {
      const access = await world.request('GET', `${path}/access`, { token: world.merchant.token })
      expect(access.body.status).toBe(status)
    }
  }

  const owner = `/applications/${id}/instances/${world.merchant.organizationId}`
  const owned = await world.request('GET', owner, { token: world.publisher.token })
  expect(owned.status).toBe(seen.status)
  const life = model.isPresent ? model.tokenLife : null
  expect([model.status, typeof owned.body.token]).toEqual([model.status, life === null ? 'undefined' : 'string'])
  if (life !== null) {
    const permissions = model.tokenPermissions
    model.tokens.push({ token: owned.body.token, expires: life, isRevoked: false, permissions })
  }

  for (const { token, expires, isRevoked, permissions } of model.tokens.slice(-4)) {
    const used = await world.request('GET', `${path}/configuration`, { token })
    const isAllowed = permissions.includes('instance-configuration:show')
    const expected = isRevoked || expires <= model.now ? 401 : isAllowed ? 200 : 403
    expect([model.status, used.status]).toEqual([model.status, expected])
  }
  await expectNothingAboveTheGrant(world, id)

  const answer = await world.request('GET', `${path}/history?limit=1000`, { token: world.merchant.token })
  const steps =
    answer.status === 404 ? [] : answer.body.map((step: { from: string; to: string }) => [step.from, step.to])
  expect(steps.reverse()).toEqual(model.steps)
  expect((await world.told(id)).map(({ type }) => type)).toEqual(model.access.told)
  expect((await world.events(id)).map(({ type }) => type)).toEqual(
    model.events.map(({ type }) => `application-instance-${type}`),
  )
}

/** Of every token that lives, whatever became of the grant since it was made. */
async function expectNothingAboveTheGrant(world: World, applicationId: string): Promise<void> {
  const [installation] = (await world.db('stoa_installations').where({ application_id: applicationId })) as {
    grant: string
  }[]
  const live = (await world
    .db('stoa_application_tokens')
    .where({ application_id: applicationId, revoked_time: null })
    .where('expires_time', '>', world.ctx.clock.now().toISOString())) as { permissions: string }[]
  const grant = installation ? (JSON.parse(installation.grant) as string[]) : []
  for (const { permissions } of live) expect(grant).toEqual(expect.arrayContaining(JSON.parse(permissions) as string[]))
}
