import { expect, onTestFinished, test, vi } from 'vitest'
import { answer } from '../support/hostile-receiver.ts'
import { loopbackNames, openOutbound, openReceiver, post, settle } from './open-outbound.ts'

test('connections are kept to the origins used last, and to no more than were allowed', async () => {
  const names = Array.from({ length: 12 }, (_, n) => `r${n}.test`)
  const outbound = openOutbound({ keptOrigins: 3, resolver: loopbackNames(...names) })
  const receiver = await openReceiver((socket) => socket.write(answer()))
  const send = (name: string) => outbound.send(post(`http://${name}:${receiver.port}/`))
  for (const name of names) {
    expect(await send(name)).toMatchObject({ ok: true })
    await settle()
  }
  await expect.poll(receiver.open).toBe(3)
  for (const name of names.slice(-3)) {
    expect(await send(name)).toMatchObject({ ok: true, timings: { connectMilliseconds: null } })
  }
  expect(receiver.connections()).toBe(12)
})

test('an origin that gives way to others ends the requests that it has under way first', async () => {
  const names = ['slow.test', 'a.test', 'b.test', 'c.test']
  const outbound = openOutbound({ keptOrigins: 1, resolver: loopbackNames(...names) })
  const receiver = await openReceiver((socket, { head }) => {
    if (!head.includes('slow.test')) return void socket.write(answer())
    setTimeout(() => socket.write(answer('slow')), 200)
  })
  const slow = outbound.send(post(`http://slow.test:${receiver.port}/`))
  for (const name of names.slice(1)) await outbound.send(post(`http://${name}:${receiver.port}/`))
  expect(await slow).toMatchObject({ ok: true, body: 'slow' })
  await expect.poll(receiver.open).toBe(1)
})

test('a connection that is five minutes old is used no more, so that a receiver that moves is followed', async () => {
  vi.useFakeTimers({ toFake: ['Date'] })
  onTestFinished(() => void vi.useRealTimers())
  const outbound = openOutbound()
  const receiver = await openReceiver((socket) => socket.write(answer()))
  const send = async () => {
    const result = await outbound.send(post(receiver.url))
    await settle()
    return result.timings.connectMilliseconds === null
  }
  expect([await send(), await send()]).toEqual([false, true])
  vi.setSystemTime(Date.now() + 301_000)
  expect([await send(), await send()]).toEqual([false, true])
})

test('a connection that was judged by one policy is not there under another', async () => {
  const receiver = await openReceiver((socket) => socket.write(answer()))
  const open = openOutbound()
  expect(await open.send(post(receiver.url))).toMatchObject({ ok: true })
  await settle()
  const strict = openOutbound({ allowPrivateNetworks: false })
  expect(await strict.send(post(receiver.url))).toMatchObject({ ok: false, error: 'blocked_address' })
  await open.close()
  await expect.poll(receiver.open).toBe(0)
  expect(receiver.connections()).toBe(1)
})

test('the port of a blocked address is not knowable: open, closed and silent are answered alike', async () => {
  const outbound = openOutbound({ allowPrivateNetworks: false, resolver: loopbackNames('evil.example') })
  const answers = await openReceiver((socket) => socket.end(answer()))
  const silent = await openReceiver({ deaf: true })
  for (const host of ['127.0.0.1', '[::1]', 'localhost', 'evil.example']) {
    const results = await Promise.all(
      [answers.port, silent.port, 1].map((port) => outbound.send(post(`http://${host}:${port}/`))),
    )
    const [first, ...others] = results.map((result) => ({ ...result, durationMs: 0 }))
    for (const other of others) expect(other).toEqual(first)
    expect(first).toMatchObject({ error: 'blocked_address', remoteAddress: null })
    expect(first?.timings).toEqual({ connectMilliseconds: null, firstByteMilliseconds: null })
  }
  expect(answers.connections() + silent.connections()).toBe(0)
})

test('a redirect to the metadata service is told and not followed', async () => {
  const location = 'http://169.254.169.254/latest/meta-data/'
  const receiver = await openReceiver((socket) => socket.end(answer('', `Location: ${location}\r\n`, '307 X')))
  expect(await openOutbound().send(post(receiver.url))).toMatchObject({ ok: true, status: 307, body: '' })
  expect(receiver.requests).toHaveLength(1)
})
