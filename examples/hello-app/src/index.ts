import { createHelloApp } from './app.ts'

/** Runs the app beside a host that runs elsewhere. */
function needed(name: string): string {
  const value = process.env[name]
  if (!value) throw new Error(`Set ${name}.`)
  return value
}

const port = Number(process.env.PORT ?? 3000)
const app = createHelloApp({
  hostUrl: process.env.STOA_URL ?? 'http://localhost:4000',
  webhookSecret: needed('WEBHOOK_SECRET'),
  applicationId: needed('APPLICATION_ID'),
  meterId: needed('METER_ID'),
})
app.listen(port, () => console.log(`The hello app listens on port ${port}; its webhooks go to /webhooks.`))
