import { createStripeFunding, type FundingPort, type FundingRequest } from '@stoa/core'
import { fundingContract } from '@stoa/core/testing'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { playFunding } from '../../core/src/wallet/index.ts'
import { eachDatabase } from '../support/databases.ts'
import { createPlayProvider } from './play-provider.ts'
import { openStripe, type StripeStandIn } from './stripe-stand-in.ts'
import { openWorkers } from './workers.ts'
import { openWorld } from './world.ts'

let stripe: StripeStandIn
let funding: FundingPort
beforeAll(async () => {
  stripe = await openStripe()
  stripe.customers.set('cus_own', { stoa_organization: 'org_1' })
  stripe.customers.set('cus_other', { stoa_organization: 'org_2' })
  funding = createStripeFunding({ apiKey: 'sk_test_stoa', baseUrl: `${stripe.url}/`, timeoutMilliseconds: 500 })
})
afterAll(() => stripe?.close())

let ids = 0
const ask = (change: Partial<FundingRequest> = {}): FundingRequest => ({
  id: `top_${++ids}`,
  organizationId: 'org_1',
  locationId: 'loc_1',
  amount: '25.5',
  currency: 'USD',
  paymentMethod: 'cus_own/pm_good',
  description: 'Top-up & more = “money”',
  ...change,
})

const request = { organizationId: 'org_1', locationId: null, amount: '12.34', currency: 'USD', description: null }
describe.each([
  ['the play money of the sandbox', () => playFunding, { methods: { succeeds: 'play_ok', declines: 'play_declined' } }],
  [
    'Stripe',
    () => funding,
    {
      methods: { succeeds: 'cus_own/pm_good', declines: 'cus_own/pm_declined' },
      taken: () => stripe.intents.filter(({ status }) => status === 'succeeded').length,
    },
  ],
])('%s', (_name, open, rest) => {
  for (const { name, run } of fundingContract(() => Promise.resolve(open()), { request, ...rest })) it(name, run)
})

describe('Stripe', () => {
  beforeEach(() => stripe.setSearchable(true))

  it('gets a form with the amount in cents, confirmed off session, with the id as key and in the metadata', async () => {
    const wanted = ask()
    const { reference } = await funding.fund(wanted)
    expect(stripe.intents.at(-1)).toMatchObject({ id: reference })
    expect(stripe.intents.at(-1)!.form).toEqual({
      amount: '2550',
      currency: 'usd',
      customer: 'cus_own',
      payment_method: 'pm_good',
      confirm: 'true',
      off_session: 'true',
      error_on_requires_action: 'true',
      'metadata[stoa_top_up]': wanted.id,
      'metadata[stoa_organization]': 'org_1',
      'metadata[stoa_location]': 'loc_1',
      description: 'Top-up & more = “money”',
    })
    expect(stripe.wrong).toEqual([])
  })

  it.each([
    ['cus_own/pm_declined', 'card_declined: insufficient_funds: Your card has insufficient funds.'],
    ['cus_own/pm_action', 'authentication_required: This payment requires authentication.'],
    ['cus_own/pm_missing', 'resource_missing: No such PaymentMethod'],
  ])('declines %s, with its reason', async (paymentMethod, reason) => {
    expect(await funding.fund(ask({ paymentMethod }))).toMatchObject({ status: 'declined', reason })
  })

  it('is pending while the bank thinks, and looked up by its reference', async () => {
    const wanted = ask({ paymentMethod: 'cus_own/pm_processing' })
    const made = await funding.fund(wanted)
    expect(made.status).toBe('pending')
    const look = () => funding.look({ id: wanted.id, reference: made.reference })
    expect((await look())?.status).toBe('pending')
    const intent = stripe.intents.at(-1)!
    intent.status = 'succeeded'
    expect(await look()).toEqual({ status: 'succeeded', reference: intent.id })
    intent.status = 'requires_payment_method'
    intent.last_payment_error = { code: 'debit_not_authorized' }
    expect(await look()).toEqual({ status: 'declined', reference: intent.id, reason: 'debit_not_authorized' })
  })

  it.each(['cut before it', '500', '409', '429', '401', 'no JSON', 'late'] as const)(
    'in trouble (%s) throws, and takes the money once when it is asked again',
    async (trouble) => {
      const wanted = ask()
      const before = stripe.intents.length
      stripe.next(trouble)
      await expect(funding.fund(wanted)).rejects.toThrow()
      expect(await funding.look({ id: wanted.id, reference: null })).toBe(null)
      expect((await funding.fund(wanted)).status).toBe('succeeded')
      expect(stripe.intents).toHaveLength(before + 1)
    },
  )

  it('finds a payment that was made when the line was cut: by its key, and when Stripe forgot that, by the search', async () => {
    const wanted = ask()
    const before = stripe.intents.length
    stripe.next('cut after the payment')
    await expect(funding.fund(wanted)).rejects.toThrow()
    // The search lags behind at first.
    stripe.setSearchable(false)
    expect(await funding.look({ id: wanted.id, reference: null })).toBe(null)
    expect((await funding.fund(wanted)).status).toBe('succeeded')
    stripe.setSearchable(true)
    stripe.forgetKeys()
    expect(await funding.look({ id: wanted.id, reference: null })).toMatchObject({ status: 'succeeded' })
    expect(stripe.intents).toHaveLength(before + 1)
  })

  it('does not take one key for another payment', async () => {
    const wanted = ask()
    await funding.fund(wanted)
    await expect(funding.fund({ ...wanted, amount: '26' })).rejects.toThrow('idempotency_error')
  })

  it.each([
    ['of another organization', 'cus_other/pm_good'],
    ['that does not exist', 'cus_none/pm_good'],
  ])('does not charge a customer %s', async (_, paymentMethod) => {
    const before = stripe.intents.length
    const reason = 'the organization has no such payment method'
    expect(await funding.fund(ask({ paymentMethod }))).toMatchObject({ status: 'declined', reason })
    expect(stripe.intents).toHaveLength(before)
  })

  it.each([null, '', 'pm_good', 'cus_own/../x', 'cus_own/pm_a?b', 'CUS_own/pm_a'])(
    'declines the payment method %j',
    async (paymentMethod) => {
      expect((await funding.fund(ask({ paymentMethod }))).status).toBe('declined')
    },
  )

  it('declines what has parts of a cent', async () => {
    expect((await funding.fund(ask({ amount: '1.001' }))).status).toBe('declined')
  })

  it('asks the embedder who pays, when they say so', async () => {
    const payer = { customer: 'cus_mapped', paymentMethod: 'pm_mapped' }
    const mapped = createStripeFunding({
      apiKey: 'sk_test_stoa',
      baseUrl: stripe.url,
      payerOf: ({ locationId }) => Promise.resolve(locationId === 'loc_1' ? payer : null),
    })
    expect((await mapped.fund(ask({ paymentMethod: null }))).status).toBe('succeeded')
    expect(stripe.intents.at(-1)!.form).toMatchObject({ customer: 'cus_mapped', payment_method: 'pm_mapped' })
    expect((await mapped.fund(ask({ locationId: 'loc_2' }))).status).toBe('declined')
  })
})

describe('the provider of these tests', () => {
  const provider = createPlayProvider()
  it('keeps the contract too', async () => {
    const counted = { taken: () => provider.requests().length }
    const cases = fundingContract(() => Promise.resolve(provider.port), {
      request,
      methods: { succeeds: 'x', declines: 'x' },
      ...counted,
    })
    for (const { name, run } of cases) {
      if (name.includes('declined')) provider.next('decline')
      await run()
    }
  })
})

eachDatabase((database) => {
  it('a host with Stripe tops up once, although the line is cut after the payment', async () => {
    const world = await openWorld(database, { funding }, { isStarted: false })
    const workers = await openWorkers(world, funding)
    try {
      stripe.customers.set('cus_merchant', { stoa_organization: world.merchant.organizationId })
      const before = stripe.intents.length
      stripe.next('cut after the payment')
      const path = `${world.place(world.locationId)}/wallet/top-ups`
      const body = { amount: '19.99', reference: 'a', paymentMethod: 'cus_merchant/pm_good' }
      const made = await world.request('POST', path, { token: world.merchant.token, body })
      expect(made.body.status).toBe('pending')
      world.advance(60)
      await workers.run()
      expect(await world.balance()).toBe('19.99')
      expect(stripe.intents).toHaveLength(before + 1)
    } finally {
      await workers.close()
      await world.close()
    }
  })
})
