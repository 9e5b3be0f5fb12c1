import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect, onTestFinished, test, vi } from 'vitest'
import { until } from '../events/support.ts'
import { memory } from '../http/support.ts'
import { openHost } from '../support/host.ts'
import { patient, runStoa, startStoa } from '../support/run-stoa.ts'

vi.setConfig({ testTimeout: patient })

/** A host as far as the command asks one: notes what it is asked and answers as told. */
async function fakeHost(status: number, answer: object) {
  const asked: { method: string; url: string; authorization: string; body: unknown }[] = []
  const server = createServer((request, response) => {
    let text = ''
    request.on('data', (chunk) => (text += String(chunk)))
    request.on('end', () => {
      const { method = '', url = '', headers } = request
      asked.push({ method, url, authorization: headers.authorization ?? '', body: JSON.parse(text) })
      const type = status < 400 ? 'application/json' : 'application/problem+json'
      response.writeHead(status, { 'Content-Type': type }).end(JSON.stringify(answer))
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => void server.close())
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, asked }
}

const run = (url: string, args: string[]) => runStoa(['trigger', ...args, '--host-url', url, '--api-key', 'key'], {})

test('asks for an example event and says how many deliveries it made', async () => {
  const { url, asked } = await fakeHost(202, { id: 'evt_1', deliveries: 2 })
  const ran = await run(url, ['charge.created', '--application', 'app_1'])
  expect(ran).toEqual({ code: 0, stdout: 'charge.created evt_1: 2 deliveries\n', stderr: '' })
  expect(asked).toEqual([
    {
      method: 'POST',
      url: '/developers/webhooks/test-events',
      authorization: 'Bearer key',
      body: { type: 'charge.created', applicationId: 'app_1' },
    },
  ])
})

test('asks one endpoint', async () => {
  const { url, asked } = await fakeHost(202, { id: 'evt_1', deliveries: 1 })
  expect((await run(url, ['charge.created', '--endpoint', 'whe_1'])).stdout).toBe('charge.created evt_1: 1 delivery\n')
  expect(asked).toMatchObject([{ url: '/developers/webhooks/endpoints/whe_1/test', body: { type: 'charge.created' } }])
})

test('says that nobody wants the event', async () => {
  const { url } = await fakeHost(202, { id: 'evt_1', deliveries: 0 })
  const { code, stderr } = await run(url, ['charge.created'])
  expect([code, stderr]).toEqual([0, expect.stringContaining('stoa listen')])
})

test.each([
  [422, { detail: 'x', invalidFields: [{ field: 'type', message: 'is no event type' }] }, 'type is no event type'],
  [401, { detail: 'The token is malformed.' }, '--api-key'],
])('tells a refusal by %s in a sentence and ends with 1', async (status, body, says) => {
  const { url } = await fakeHost(status, body)
  const { code, stderr } = await run(url, ['charge.created'])
  expect([code, stderr]).toEqual([1, expect.stringContaining(says)])
  expect(stderr).toMatch(/^stoa: .+\n$/)
})

test('what it asks for arrives where somebody listens', async () => {
  const opened = await openHost(memory)
  const { url, world } = opened
  const env = { STOA_API_KEY: world.publisher.apiKey, STOA_BASE_URL: url }
  const listening = startStoa(['listen', '--types', 'application.*'], env)
  await until(() => listening.stderr().includes('Connected'))
  const { code, stdout, stderr } = await runStoa(['trigger', 'application.approved'], env)
  expect([code, stderr]).toEqual([0, ''])
  const [, id] = /^application\.approved (evt_\w+): \d+ deliver/.exec(stdout)!
  await until(() => listening.stdout().includes(`application.approved ${id!}`))
})
