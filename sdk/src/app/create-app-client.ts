import { createClient, type Client } from '../client/create-client.ts'
import type { AppContext } from './options.ts'
import type { Target } from './session-of.ts'
import type { Sessions } from './sessions.ts'

/** A client whose requests carry a live token; one that is refused is replaced, and the request sent once more. */
export function createAppClient(app: AppContext, sessions: Sessions, target: Target): Client {
  return createClient({
    baseUrl: app.hostUrl,
    token: async () => (await sessions.live(target)).accessToken,
    fetch: async (input, init) => {
      const response = await app.fetch(input, init)
      if (response.status !== 401) return response
      await response.body?.cancel()
      const headers = new Headers(init?.headers)
      const refused = headers.get('authorization')?.replace('Bearer ', '') ?? ''
      headers.set('authorization', `Bearer ${await sessions.replace(target, refused)}`)
      // The client's bodies are text or bytes, never streams, so they can be sent twice.
      return app.fetch(input, { ...init, headers })
    },
  })
}
