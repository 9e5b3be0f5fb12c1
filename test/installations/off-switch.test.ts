import { beforeAll, describe, expect, it } from 'vitest'
import { eachDatabase } from '../support/databases.ts'
import { openWorld, type World } from './world.ts'

eachDatabase((database) => {
  let world: World
  beforeAll(async () => {
    world = await openWorld(database)
  })

  const owner = (id: string) =>
    world.request('GET', `/applications/${id}/instances/${world.merchant.organizationId}`, {
      token: world.publisher.token,
    })
  const configuration = (id: string, token: string) =>
    world.request('GET', `/application-instances/${id}/configuration`, { token })
  const client = async (id: string, status: 'ACTIVE' | 'DISABLED') => {
    const options = { token: world.publisher.token, body: { status } }
    const answer = await world.request('PATCH', `/developers/applications/${id}`, options)
    expect(answer.body.status).toBe(status)
  }
  const tokenInEvent = async (id: string) => {
    const [event] = await world.events(id)
    const sent = (await world.enriched(event!)) as { _embedded: { applicationInstance: { token?: string } } }
    return sent._embedded.applicationInstance.token
  }
  const liveTokens = async (id: string): Promise<number> =>
    (await world.db('stoa_application_tokens').where({ application_id: id, revoked_time: null })).length
  async function installed(): Promise<string> {
    const id = await world.application()
    await world.request('PUT', `/application-instances/${id}`, { token: world.merchant.token })
    return id
  }

  const switches = [
    {
      who: 'its publisher',
      off: (id: string) => client(id, 'DISABLED'),
      on: (id: string) => client(id, 'ACTIVE'),
    },
    {
      who: 'an operator',
      off: (id: string) => world.review(id, 'disable'),
      on: (id: string) => world.review(id, 'enable'),
    },
  ]
  describe.each(switches)('an application that was switched off by $who', ({ off, on }) => {
    it('loses its tokens at once, and those of other applications stay', async () => {
      const [id, other] = [await installed(), await installed()]
      const [token, theirs] = [(await owner(id)).body.token, (await owner(other)).body.token]
      expect((await configuration(id, token)).status).toBe(200)
      await off(id)
      expect((await configuration(id, token)).body.code).toBe('revoked_token')
      expect((await configuration(other, theirs)).status).toBe(200)
    })

    it('gets no new ones, neither asked for nor with an event, while what is installed stays', async () => {
      const id = await installed()
      expect(await tokenInEvent(id)).toMatch(/^stoa_it_/)
      await off(id)
      const answer = await owner(id)
      expect([answer.status, answer.body.status, answer.body.token]).toEqual([200, 'enabled', undefined])
      expect(await tokenInEvent(id)).toBeUndefined()
      expect(await liveTokens(id)).toBe(0)
    })

    it('gets no token to clean up with', async () => {
      const id = await installed()
      await world.subscribe(id)
      await off(id)
      await world.request('DELETE', `/application-instances/${id}`, { token: world.merchant.token })
      const answer = await owner(id)
      expect([answer.body.status, answer.body.token]).toEqual(['disabling', undefined])
    })

    it('gets tokens again once it is switched on', async () => {
      const id = await installed()
      await off(id)
      await on(id)
      const { token } = (await owner(id)).body
      expect((await configuration(id, token)).status).toBe(200)
      expect(await tokenInEvent(id)).toMatch(/^stoa_it_/)
    })

    it('keeps no token that was made at the same moment', async () => {
      for (let round = 0; round < 3; round++) {
        const id = await installed()
        await Promise.all([owner(id), owner(id), off(id), owner(id), owner(id)])
        expect(await liveTokens(id)).toBe(0)
      }
    })
  })

  it('keeps its tokens when a change fails', async () => {
    const id = await installed()
    const { token } = (await owner(id)).body
    const body = { status: 'DISABLED', website: 'ftp://wrong' }
    const refused = await world.request('PATCH', `/developers/applications/${id}`, {
      token: world.publisher.token,
      body,
    })
    expect(refused.status).toBe(422)
    expect((await configuration(id, token)).status).toBe(200)
  })
})
