import {
  toMicros,
  type FundingOutcome,
  type FundingPort,
  type FundingRequest,
  type Micros,
} from '../../kernel/index.ts'
import { minorUnit } from '../currency.ts'

/** Whom Stripe charges, and what: ids of a customer and of a payment method that is saved with it. */
export interface StripePayer {
  customer: string
  paymentMethod: string
}

export interface StripeFundingOptions {
  /** A secret or restricted key that may write PaymentIntents and read customers. */
  apiKey: string
  /** By default https://api.stripe.com. */
  baseUrl?: string
  /** The deadline of one request; by default 30 seconds. */
  timeoutMilliseconds?: number
  /**
   * Who pays for a wallet, by your own records; null for nobody, which declines the payment. Without it, `paymentMethod` is
   * `cus_…/pm_…`, and the customer has to carry the metadata `stoa_organization` with the id of the organization: what a
   * merchant writes must not reach the card of another.
   */
  payerOf?(request: FundingRequest): Promise<StripePayer | null>
}

interface StripeIntent {
  id: string
  status: string
  amount: number
  currency: string
  last_payment_error?: StripeError | null
}

interface StripeError {
  type?: string
  code?: string
  decline_code?: string
  message?: string
  payment_intent?: StripeIntent
}

interface Answer {
  status: number
  body: { error?: StripeError } & Record<string, unknown>
}

/**
 * Funding by Stripe: an off-session PaymentIntent for each top-up, confirmed at once, with the top-up's id as its idempotency key and in its
 * metadata. Stripe forgets idempotency keys after a day, so a payment that nobody heard of is looked for by its metadata before it is
 * asked for again. What neither succeeds nor is declined (timeouts, 5xx, 409 while the same key is under way, 429, a wrong key) is thrown.
 *
 * Sources: docs.stripe.com/api/payment_intents/create, /api/idempotent_requests, /currencies.
 */
export function createStripeFunding(options: StripeFundingOptions): FundingPort {
  const call = createCall(options)

  async function outcomeOf(answer: Answer, wanted?: { amount: string; currency: string }): Promise<FundingOutcome> {
    const { error } = answer.body
    if (answer.status === 200) return ofIntent(answer.body as unknown as StripeIntent, wanted)
    // 400 and 404 are requests that will be wrong tomorrow too: a method that does not exist, an amount below the least.
    const isFinal = [400, 402, 404].includes(answer.status) && error?.type !== 'idempotency_error'
    if (!isFinal) throw new Error(`Stripe answered ${answer.status}: ${reasonOf(error)}`)
    return { status: 'declined', reference: error?.payment_intent?.id ?? null, reason: reasonOf(error) }
  }

  return {
    async fund(request) {
      const amount = stripeAmount(request.amount, request.currency)
      if (amount === null) return declined(`${request.amount} ${request.currency} cannot be paid by Stripe`)
      const payer = await findPayer(call, options, request)
      if (typeof payer === 'string') return declined(payer)
      const currency = request.currency.toLowerCase()
      const form = new URLSearchParams({
        amount,
        currency,
        customer: payer.customer,
        payment_method: payer.paymentMethod,
        confirm: 'true',
        off_session: 'true',
        error_on_requires_action: 'true',
        'metadata[stoa_top_up]': request.id,
        'metadata[stoa_organization]': request.organizationId,
        ...(request.locationId !== null && { 'metadata[stoa_location]': request.locationId }),
        ...(request.description !== null && { description: request.description }),
      })
      return outcomeOf(await call('POST', '/v1/payment_intents', { form, key: request.id }), { amount, currency })
    },
    async look({ id, reference }) {
      if (reference !== null) {
        const answer = await call('GET', `/v1/payment_intents/${encodeURIComponent(reference)}`)
        // One that is known cannot be gone: this key is of another account.
        if (answer.status !== 200) throw new Error(`Stripe answered ${answer.status}: ${reasonOf(answer.body.error)}`)
        return outcomeOf(answer)
      }
      const query = new URLSearchParams({ query: `metadata["stoa_top_up"]:"${id}"`, limit: '1' })
      const answer = await call('GET', `/v1/payment_intents/search?${query.toString()}`)
      if (answer.status !== 200) throw new Error(`Stripe answered ${answer.status}: ${reasonOf(answer.body.error)}`)
      const [found] = answer.body.data as StripeIntent[]
      return found ? ofIntent(found) : null
    },
  }
}

type Call = (method: 'GET' | 'POST', path: string, body?: { form: URLSearchParams; key: string }) => Promise<Answer>

function createCall({
  apiKey,
  baseUrl = 'https://api.stripe.com',
  timeoutMilliseconds = 30_000,
}: StripeFundingOptions): Call {
  const root = baseUrl.replace(/\/+$/, '')
  return async (method, path, body) => {
    const response = await fetch(root + path, {
      method,
      // Where it would be sent to, the key would go too.
      redirect: 'error',
      signal: AbortSignal.timeout(timeoutMilliseconds),
      headers: {
        Authorization: `Bearer ${apiKey}`,
        ...(body && { 'Content-Type': 'application/x-www-form-urlencoded', 'Idempotency-Key': body.key }),
      },
      ...(body && { body: body.form.toString() }),
    })
    const text = await response.text()
    try {
      return { status: response.status, body: JSON.parse(text) as Answer['body'] }
    } catch {
      throw new Error(`Stripe answered ${response.status} with something that is not JSON`)
    }
  }
}

/** The payer, or why there is none. */
async function findPayer(
  call: Call,
  { payerOf }: StripeFundingOptions,
  request: FundingRequest,
): Promise<StripePayer | string> {
  if (payerOf) return (await payerOf(request)) ?? 'no payment method is known for this wallet'
  const match = /^(cus_\w{1,100})\/(pm_\w{1,100})$/.exec(request.paymentMethod ?? '')
  if (!match) return 'the payment method must be written as cus_…/pm_…'
  const [, customer = '', paymentMethod = ''] = match
  const answer = await call('GET', `/v1/customers/${customer}`)
  if (answer.status !== 200 && answer.status !== 404) {
    throw new Error(`Stripe answered ${answer.status}: ${reasonOf(answer.body.error)}`)
  }
  const { stoa_organization: owner } = (answer.body.metadata ?? {}) as Record<string, unknown>
  // The same words for a customer of somebody else as for one that does not exist.
  if (owner !== request.organizationId) return 'the organization has no such payment method'
  return { customer, paymentMethod }
}

function ofIntent(intent: StripeIntent, wanted?: { amount: string; currency: string }): FundingOutcome {
  const { id, status, amount, currency, last_payment_error: error } = intent
  if (wanted && (String(amount) !== wanted.amount || currency !== wanted.currency)) {
    throw new Error(`Stripe's payment ${id} is of ${amount} ${currency}, not of ${wanted.amount} ${wanted.currency}`)
  }
  if (status === 'succeeded') return { status: 'succeeded', reference: id }
  if (status === 'canceled' || status === 'requires_payment_method') {
    return { status: 'declined', reference: id, reason: error ? reasonOf(error) : status }
  }
  // Whatever else it is, it may still bring money.
  return { status: 'pending', reference: id }
}

const declined = (reason: string): FundingOutcome => ({ status: 'declined', reference: null, reason })

function reasonOf(error: StripeError | null | undefined): string {
  if (!error) return 'no reason given'
  return [error.code ?? error.type, error.decline_code, error.message].filter(Boolean).join(': ')
}

// Stripe takes these two with decimals that must be 00.
const asIfTwo = ['ISK', 'UGX']
// Of three decimals the last must be 0; and an ariary is not divided.
const leastSteps: Record<string, Micros> = { BHD: 10_000n, JOD: 10_000n, KWD: 10_000n, OMR: 10_000n, TND: 10_000n }
const undivided = ['MGA']

/** Decimal text in the currency's smallest unit, as Stripe counts it; null when it is not a whole number of those. */
export function stripeAmount(amount: string, currency: string): string | null {
  const micros = toMicros(amount)
  if (micros === null || micros <= 0n) return null
  const least = undivided.includes(currency) ? 1_000_000n : minorUnit(currency)
  if (micros % (leastSteps[currency] ?? least) !== 0n) return null
  const unit = asIfTwo.includes(currency) ? 10_000n : least
  return String(micros / unit)
}
