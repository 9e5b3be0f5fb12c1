import { fileTokenStore } from '@stoa/sdk'
import { createHelloApp } from './app.ts'

/** Runs the app beside a host that runs elsewhere. */
function needed(name: string): string {
  const value = process.env[name]
  if (!value) throw new Error(`Set ${name}.`)
  return value
}

const port = Number(process.env.PORT ?? 3000)
const appUrl = process.env.APP_URL ?? `http://localhost:${port}`
const app = createHelloApp({
  hostUrl: process.env.STOA_URL ?? 'http://localhost:4000',
  appUrl,
  applicationId: needed('APPLICATION_ID'),
  clientId: needed('CLIENT_ID'),
  clientSecret: needed('CLIENT_SECRET'),
  webhookSecret: needed('WEBHOOK_SECRET'),
  meterId: needed('METER_ID'),
  store: fileTokenStore(process.env.TOKENS ?? '.tokens', { secret: process.env.TOKEN_SECRET }),
})
app.listen(port, () => {
  console.log(
    `Install the hello app at ${appUrl}/install. Its redirect URI is ${appUrl}/callback; webhooks go to /webhooks.`,
  )
})
