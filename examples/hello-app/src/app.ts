import express, { type Express } from 'express'
import { createClient, StoaApiError, webhookMiddleware, type Client } from '@stoa/sdk'

export interface HelloOptions {
  /** Where the Stoa host is. */
  hostUrl: string
  /** The secret of the webhook endpoint, as the host showed it once. */
  webhookSecret: string
  applicationId: string
  meterId: string
  log?: (line: string) => void
}

interface Customer {
  organizationId: string
  locationId: string
  client: Client
  greeting: string
}

/**
 * A small app as an author would write it. It learns of its customers from signed webhooks, keeps the token that comes with
 * each, greets at GET /greet/:locationId in the customer's own words and charges the customer's wallet for it.
 */
export function createHelloApp(options: HelloOptions): Express {
  const { hostUrl, applicationId, log = console.log } = options
  const customers = new Map<string, Customer>()
  const app = express()

  app.post(
    '/webhooks',
    webhookMiddleware({
      secret: options.webhookSecret,
      async onEvent(event) {
        if (event.type === 'application-instance-enabled') {
          const { organizationId, locationId } = event.payload
          const { token } = event.payload._embedded.applicationInstance
          if (!locationId || !token) return log('app: installed into an organization, but it works for locations')
          const client = createClient({ baseUrl: hostUrl, token })
          const { settings } = await client.getApplicationInstanceConfiguration({ params: { applicationId } })
          customers.set(locationId, { organizationId, locationId, client, greeting: String(settings.greeting) })
          log(`app: enabled at ${locationId}, its greeting is "${String(settings.greeting)}" (signature verified)`)
        }
        if (event.type === 'application-instance-disabled') {
          customers.delete(event.payload.locationId ?? '')
          log(`app: disabled at ${event.payload.locationId} (signature verified)`)
        }
      },
    }),
  )

  app.get('/greet/:locationId', async (req, res) => {
    const customer = customers.get(req.params.locationId)
    if (!customer) return void res.status(404).json({ message: 'Install this app first.' })
    try {
      const charge = await customer.client.charge({
        body: {
          appId: applicationId,
          meterId: options.meterId,
          // The caller's own id for this greeting: asking twice charges once.
          eventId: `greeting-${new URL(req.url, hostUrl).searchParams.get('id')}`,
          locationId: customer.locationId,
          companyId: customer.organizationId,
          description: 'A greeting',
          units: 1,
        },
      })
      res.json({ greeting: `${customer.greeting}, world!`, chargeId: charge.chargeId })
    } catch (error) {
      if (!(error instanceof StoaApiError)) throw error
      res.status(error.status).json({ code: error.code, message: error.message })
    }
  })
  return app
}
