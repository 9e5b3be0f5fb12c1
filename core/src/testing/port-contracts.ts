import assert from 'node:assert/strict'
import type { Clock, Files, FundingPort, FundingRequest, IdentityPort, Logger, SecretBox } from '../kernel/index.ts'

/** One thing a port must do. Run it in any test framework: `for (const { name, run } of cases) test(name, run)`. */
export interface ContractCase {
  name: string
  run(): Promise<void>
}

/** What the host relies on in a `Files` port. */
export function filesContract(open: () => Promise<Files>): ContractCase[] {
  const png = { bytes: Buffer.from([0x89, 0x50, 0x4e, 0x47, 0, 255, 10, 13]), mediaType: 'image/png' }
  return [
    {
      name: 'a stored file comes back byte for byte with its media type',
      async run() {
        const files = await open()
        await files.put('fil_1', png)
        const found = await files.get('fil_1')
        assert.deepEqual(found && { bytes: Buffer.from(found.bytes), mediaType: found.mediaType }, png)
      },
    },
    {
      name: 'a file that was never stored is null',
      async run() {
        assert.equal(await (await open()).get('fil_unknown'), null)
      },
    },
    {
      name: 'two files do not meet',
      async run() {
        const files = await open()
        await files.put('fil_1', png)
        await files.put('fil_2', { bytes: Buffer.from('other'), mediaType: 'image/webp' })
        assert.equal((await files.get('fil_1'))?.mediaType, 'image/png')
        assert.equal((await files.get('fil_2'))?.mediaType, 'image/webp')
      },
    },
  ]
}

/** What the host relies on in a `SecretBox`. */
export function secretBoxContract(open: () => Promise<SecretBox>): ContractCase[] {
  return [
    {
      name: 'what was sealed opens under the same context',
      async run() {
        const box = await open()
        for (const plain of ['', 'a', 'snow ☃ and 😀', 'x'.repeat(100_000)]) {
          assert.equal(await box.open(await box.seal(plain, 'row:1'), 'row:1'), plain)
        }
      },
    },
    {
      name: 'the sealed text does not show the plain one',
      async run() {
        const box = await open()
        assert.ok(!(await box.seal('hunter2-hunter2', 'row:1')).includes('hunter2'))
      },
    },
    {
      name: 'a sealed text moved to another row does not open',
      async run() {
        const box = await open()
        const sealed = await box.seal('secret', 'row:1')
        await assert.rejects(box.open(sealed, 'row:2'))
      },
    },
    {
      name: 'a sealed text that was changed does not open',
      async run() {
        const box = await open()
        const sealed = await box.seal('a longer secret', 'row:1')
        const middle = Math.floor(sealed.length * 0.75)
        const changed = sealed.slice(0, middle) + (sealed[middle] === 'A' ? 'B' : 'A') + sealed.slice(middle + 1)
        await assert.rejects(box.open(changed, 'row:1'))
      },
    },
    {
      name: 'sealing the same text twice gives different results',
      async run() {
        const box = await open()
        assert.notEqual(await box.seal('same', 'row:1'), await box.seal('same', 'row:1'))
      },
    },
  ]
}

/** What the host relies on in an `IdentityPort`. `signedIn` are headers of somebody who is, `anonymous` of nobody. */
export function identityContract(
  open: () => Promise<IdentityPort>,
  requests: { signedIn: Record<string, string>; anonymous: Record<string, string> },
): ContractCase[] {
  return [
    {
      name: 'somebody signed in has an id, an e-mail address, a name and memberships with known roles',
      async run() {
        const identity = await (await open()).identify(requests.signedIn)
        assert.ok(identity)
        assert.match(identity.userId, /^[@~\-.\w]{1,50}$/)
        assert.match(identity.email, /@/)
        assert.equal(typeof identity.name, 'string')
        for (const { organizationId, role } of identity.memberships) {
          assert.match(organizationId, /^[@~\-.\w]{1,50}$/)
          assert.ok(['owner', 'admin', 'author', 'member', 'operator'].includes(role))
        }
      },
    },
    {
      name: 'nobody signed in is null, not an error',
      async run() {
        assert.equal(await (await open()).identify(requests.anonymous), null)
        assert.equal(await (await open()).identify({}), null)
      },
    },
  ]
}

/** What the host relies on in a `Clock`. */
export function clockContract(open: () => Promise<Clock>): ContractCase[] {
  return [
    {
      name: 'the time is a valid date that does not run backwards',
      async run() {
        const clock = await open()
        const first = clock.now().getTime()
        assert.ok(Number.isFinite(first))
        assert.ok(clock.now().getTime() >= first)
      },
    },
  ]
}

/** What the host relies on in a `Logger`. */
export function loggerContract(open: () => Promise<Logger>): ContractCase[] {
  return [
    {
      name: 'every level takes details with and without a message and never throws',
      async run() {
        const logger = await open()
        for (const level of ['debug', 'info', 'warn', 'error'] as const) {
          logger[level]({ traceId: 'x' }, 'message')
          logger[level]({ err: new Error('fault') })
        }
      },
    },
  ]
}

/**
 * What the host relies on in a `FundingPort`. `methods` are payment methods of `request.organizationId` that succeed and that are
 * declined; `taken` counts the payments that were really made, where that can be told.
 */
export function fundingContract(
  open: () => Promise<FundingPort>,
  {
    request,
    methods,
    taken,
  }: {
    request: Omit<FundingRequest, 'id' | 'paymentMethod'>
    methods: { succeeds: string; declines: string }
    taken?: () => number
  },
): ContractCase[] {
  let ids = 0
  const ask = (paymentMethod: string): FundingRequest => ({ ...request, id: `top_contract_${++ids}`, paymentMethod })
  return [
    {
      name: 'a payment that succeeds has a reference, under which it is found again',
      async run() {
        const funding = await open()
        const wanted = ask(methods.succeeds)
        const { status, reference } = await funding.fund(wanted)
        assert.equal(status, 'succeeded')
        assert.ok(reference)
        const found = await funding.look({ id: wanted.id, reference })
        assert.deepEqual([found?.status, found?.reference], ['succeeded', reference])
      },
    },
    {
      name: 'the same id is the same payment, one after the other and at once',
      async run() {
        const funding = await open()
        const before = taken?.() ?? 0
        const wanted = ask(methods.succeeds)
        const first = await funding.fund(wanted)
        const again = await Promise.allSettled([funding.fund(wanted), funding.fund(wanted), funding.fund(wanted)])
        for (const answer of again) {
          // A provider may say that the id is under way: that is for later.
          if (answer.status === 'fulfilled') assert.equal(answer.value.reference, first.reference)
        }
        if (taken) assert.equal(taken() - before, 1)
      },
    },
    {
      name: 'a payment that is declined says why, and again when it is asked for again',
      async run() {
        const funding = await open()
        const wanted = ask(methods.declines)
        for (let each = 0; each < 2; each++) {
          const { status, reason } = await funding.fund(wanted)
          assert.equal(status, 'declined')
          assert.ok(reason)
        }
      },
    },
    {
      name: 'what was never asked for is null, not an error',
      async run() {
        assert.equal(await (await open()).look({ id: 'top_never', reference: null }), null)
      },
    },
  ]
}
