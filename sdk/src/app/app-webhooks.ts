import { webhookMiddleware, type WebhookEvent, type WebhookMiddleware, type WebhookOptions } from '../server/index.ts'
import type { Environment } from '../tokens/index.ts'
import type { AppContext } from './options.ts'
import type { Target } from './session-of.ts'
import { companyTarget, locationTarget, type Sessions } from './sessions.ts'

/**
 * `webhookMiddleware` that keeps the token store right before `onEvent` hears of the event: an enabled installation has
 * a session, by the token that came with the event if nothing better is there, and a gone one has none.
 */
export function appWebhooks(app: AppContext, sessions: Sessions, options: WebhookOptions): WebhookMiddleware {
  return webhookMiddleware({
    ...options,
    async onEvent(event) {
      await follow(app, sessions, event)
      await options.onEvent(event)
    },
  })
}

const grantEvents = ['installation.access-approved', 'installation.updated']

async function follow(app: AppContext, sessions: Sessions, event: WebhookEvent): Promise<void> {
  if (grantEvents.includes(event.type)) return followGrant(app, sessions, event.payload)
  if (event.type !== 'application-instance-enabled' && event.type !== 'application-instance-disabled') return
  // One endpoint can hear of all applications of a publisher.
  if (!isOf(app.clientId, event.payload.applicationId)) return
  const target = targetOfEvent(event.payload)
  if (event.type === 'application-instance-disabled') return sessions.forget(target)
  const { token } = event.payload._embedded.applicationInstance
  if (token !== undefined) await sessions.keepGiven(target, token, event.timestamp)
}

/** A token knows what was granted when it was made: after a change the next request takes another one. */
async function followGrant(app: AppContext, sessions: Sessions, payload: object): Promise<void> {
  const { data } = payload as {
    data?: { applicationId: string; organizationId: string; locationId: string | null; environment: Environment }
  }
  if (!data || !isOf(app.clientId, data.applicationId)) return
  const { organizationId, locationId, environment } = data
  await sessions.renewGranted(
    locationId === null
      ? companyTarget(organizationId, environment)
      : locationTarget(locationId, environment, organizationId),
  )
}

function targetOfEvent(payload: WebhookEvent['payload']): Target {
  const { organizationId, locationId, environment } = payload
  return locationId === undefined
    ? companyTarget(organizationId, environment)
    : locationTarget(locationId, environment, organizationId)
}

/** A client id is the application's id, `-` and a suffix, as in HighLevel. */
function isOf(clientId: string, applicationId: string): boolean {
  return clientId === applicationId || clientId.startsWith(`${applicationId}-`)
}
