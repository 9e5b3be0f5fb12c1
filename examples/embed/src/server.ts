import express from 'express'
import { createHost } from '@stoa/core'

const host = await createHost({
  database: process.env.DATABASE_URL ?? ':memory:',
  secret: process.env.STOA_SECRET ?? 'change me: at least 32 characters',
  baseUrl: 'http://localhost:3000/marketplace',
  name: 'My platform',
})
host.events.on('installation.status-changed', ({ applicationId, to }) => console.log(applicationId, to))

const app = express()
app.use('/marketplace', host.router)
app.use(host.wellKnown)
app.get('/', (_req, res) => {
  res.send('My own page')
})
host.start()
export const server = app.listen(Number(process.env.PORT ?? 3000))
