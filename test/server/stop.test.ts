import { once } from 'node:events'
import type { DemoWorld } from '@stoa/core/testing'
import { expect, test, vi } from 'vitest'
import { arrivedIds, openReceiver, until } from '../events/support.ts'
import { call } from '../support/host.ts'
import { makeHome, patient, runStoa, serveStoa } from '../support/run-stoa.ts'

vi.setConfig({ testTimeout: patient })

/** `stoa serve` with an event under way to a receiver that answers when it is told to, later ones at once. */
async function serveUnderWay() {
  const home = await makeHome()
  const env = { STOA_HOME: home }
  const receiver = await openReceiver()
  let answer: () => void = () => undefined
  receiver.answer((response, index) => {
    if (index > 0) response.writeHead(204).end()
    else answer = () => response.writeHead(204).end()
  })
  const { url, child } = await serveStoa(env)
  const world = JSON.parse((await runStoa(['seed', '--json'], env)).stdout) as DemoWorld
  const token = world.publisher.apiKey
  const path = '/developers/webhooks'
  const body = { url: receiver.url, events: ['application.approved'] }
  const created = await call(url, 'POST', `${path}/endpoints`, { token, body })
  expect(created.status).toBe(201)
  await call(url, 'POST', `${path}/test-events`, { token, body: { type: 'application.approved' } })
  await until(() => receiver.received.length === 1)
  const historyAt = async (base: string) =>
    (await call(base, 'GET', `${path}/endpoints/${String(created.body.id)}/events`, { token })).body as {
      status: string
    }[]
  return { env, url, child, receiver, answer: () => answer(), historyAt }
}

const isServed = (url: string) =>
  call(url, 'GET', '/health').then(
    () => true,
    () => false,
  )

test('SIGTERM waits for the deliveries under way and keeps what came of them', async () => {
  const { env, url, child, receiver, answer, historyAt } = await serveUnderWay()
  const ended = once(child, 'exit')
  child.kill('SIGTERM')
  await until(async () => !(await isServed(url)))
  expect(child.exitCode).toBe(null)
  answer()
  expect(await ended).toEqual([0, null])

  const next = await serveStoa(env)
  expect(await historyAt(next.url)).toMatchObject([{ status: 'delivered' }])
  expect(receiver.received).toHaveLength(1)
})

test('a second SIGTERM ends it at once, and the next start sends what was under way again, under the same id', async () => {
  const { env, url, child, receiver, historyAt } = await serveUnderWay()
  const ended = once(child, 'exit')
  child.kill('SIGTERM')
  await until(async () => !(await isServed(url)))
  child.kill('SIGTERM')
  expect(await ended).toEqual([1, null])

  const next = await serveStoa(env)
  await until(() => receiver.received.length === 2)
  expect(new Set(arrivedIds(receiver)).size).toBe(1)
  await until(async () => (await historyAt(next.url)).every((each) => each.status === 'delivered'))
})
