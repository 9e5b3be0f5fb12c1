import type { AddressInfo } from 'node:net'
import express from 'express'

/** The ceiling: Express 5 with nothing in it, answering bodies of the size the host answers. */
const app = express()
const answer = {
  id: 'loc_019a8c7be0007000a000000000000000',
  name: 'Location',
  address: null,
  createdTime: new Date().toISOString(),
}
app.get('/thing/:id', (_req, res) => {
  res.json(answer)
})
app.post('/thing', express.json(), (_req, res) => {
  res.status(201).json({ success: true, chargeId: 'chg_019a8c7be0007000a000000000000000' })
})
const server = app.listen(0, '127.0.0.1', () => {
  process.send!({ url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` })
})
