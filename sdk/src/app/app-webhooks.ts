import { webhookMiddleware, type WebhookEvent, type WebhookMiddleware, type WebhookOptions } from '../server/index.ts'
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

async function follow(app: AppContext, sessions: Sessions, event: WebhookEvent): Promise<void> {
  if (event.type !== 'application-instance-enabled' && event.type !== 'application-instance-disabled') return
  // One endpoint can hear of all applications of a publisher.
  if (!isOf(app.clientId, event.payload.applicationId)) return
  const target = targetOfEvent(event.payload)
  if (event.type === 'application-instance-disabled') return sessions.forget(target)
  const { token } = event.payload._embedded.applicationInstance
  if (token !== undefined) await sessions.keepGiven(target, token, event.timestamp)
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
