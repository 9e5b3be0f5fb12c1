import express, { type Express } from 'express'
import { NotInstalledError, stoaApp, StoaApiError, type TokenStore } from '@stoa/sdk'

export interface HelloOptions {
  /** Where the Stoa host is. */
  hostUrl: string
  /** Where this app is. Its redirect URI, `/callback`, is registered with the host. */
  appUrl: string
  applicationId: string
  clientId: string
  clientSecret: string
  /** The secret of the webhook endpoint, as the host showed it once. */
  webhookSecret: string
  meterId: string
  /** Where the tokens of the customers are kept. */
  store: TokenStore
  log?: (line: string) => void
}

/**
 * A small app as an author would write it. Customers install it at GET /install, or in the host's store; it greets at
 * GET /greet/:locationId in the customer's own words and charges the customer's wallet for it. It keeps nothing itself:
 * tokens are in the store, settings at the host.
 */
export function createHelloApp(options: HelloOptions): Express {
  const { hostUrl, appUrl, applicationId, clientId, clientSecret, meterId, store, log = console.log } = options
  const stoa = stoaApp({ hostUrl, clientId, clientSecret, redirectUri: `${appUrl}/callback`, store })
  const app = express()

  async function greetingOf(locationId: string): Promise<string> {
    const { settings } = await stoa.for(locationId).getApplicationInstanceConfiguration({ params: { applicationId } })
    return String(settings.greeting)
  }

  app.get('/install', stoa.install())

  app.get(
    '/callback',
    stoa.callback({
      onInstalled: ({ locationId, companyId }) => log(`app: installed at ${locationId ?? companyId} by its owner`),
    }),
  )

  app.post(
    '/webhooks',
    stoa.webhooks({
      secret: options.webhookSecret,
      async onEvent(event) {
        const { locationId } = event.payload
        if (!locationId) return log('app: this was about an organization, but it works for locations')
        if (event.type === 'application-instance-enabled') {
          log(`app: enabled at ${locationId}, its greeting is "${await greetingOf(locationId)}" (signature verified)`)
        }
        if (event.type === 'application-instance-disabled') {
          log(`app: disabled at ${locationId} (signature verified)`)
        }
      },
    }),
  )

  app.get('/greet/:locationId', async (req, res) => {
    const { locationId } = req.params
    try {
      const greeting = await greetingOf(locationId)
      const { companyId = '' } = await stoa.installationAt(locationId)
      const charge = await stoa.for(locationId).charge({
        body: {
          appId: applicationId,
          meterId,
          // The caller's own id for this greeting: asking twice charges once.
          eventId: `greeting-${new URL(req.url, appUrl).searchParams.get('id')}`,
          locationId,
          companyId,
          description: 'A greeting',
          units: 1,
        },
      })
      res.json({ greeting: `${greeting}, world!`, chargeId: charge.chargeId })
    } catch (error) {
      if (error instanceof NotInstalledError) return void res.status(404).json({ message: error.message })
      if (!(error instanceof StoaApiError)) throw error
      res.status(error.status).json({ code: error.code, message: error.message })
    }
  })
  return app
}
