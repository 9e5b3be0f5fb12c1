import { expect, it } from 'vitest'
import { createPoller } from './poller.ts'

const logger = { debug() {}, info() {}, warn() {}, error() {} }
const never = { pollMilliseconds: 1_000_000 }

/** A poller that tells each look, and looks for as long as a test lets it. */
function openPoller() {
  const looks: (() => void)[] = []
  let began: (() => void)[] = []
  const poller = createPoller(
    { logger },
    'work',
    () => {
      for (const tell of began.splice(0)) tell()
      return new Promise<number>((resolve) => looks.push(() => resolve(0)))
    },
    never,
  )
  return {
    poller,
    looks,
    nextLook: () => new Promise<void>((resolve) => (began = [...began, resolve])),
  }
}

it('looks at once when it is woken, and not before it is started', async () => {
  const { poller, looks, nextLook } = openPoller()
  poller.wake()
  expect(looks).toHaveLength(0)
  poller.start()
  const look = nextLook()
  poller.wake()
  await look
  looks[0]!()
  await poller.stop()
  poller.wake()
  expect(looks).toHaveLength(1)
})

it('looks once more when it is woken while it looks', async () => {
  const { poller, looks, nextLook } = openPoller()
  poller.start()
  const first = nextLook()
  poller.wake()
  await first
  const second = nextLook()
  poller.wake()
  poller.wake()
  looks[0]!()
  await second
  looks[1]!()
  await poller.stop()
  expect(looks).toHaveLength(2)
})
