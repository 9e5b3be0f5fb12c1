import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

interface Intent {
  id: string
  status: string
  amount: number
  currency: string
  metadata: Record<string, string>
  form: Record<string, string>
  last_payment_error: object | null
}

/** What it does with the next request to make a payment. */
export type Trouble = 'cut after the payment' | 'cut before it' | '500' | '409' | '429' | '401' | 'no JSON' | 'late'

/** Stripe's part of this, as far as it goes: forms, keys, customers, payments, their search; and its troubles. */
export async function openStripe() {
  const intents: Intent[] = []
  const customers = new Map<string, Record<string, string>>()
  const keys = new Map<string, { form: string; status: number; body: object }>()
  const troubles: Trouble[] = []
  const wrong: string[] = []
  let isSearchable = true

  function create(form: Record<string, string>): { status: number; body: object } {
    const status = /^pm_(declined|processing|action)/.exec(form.payment_method!)?.[1]
    if (form.payment_method === 'pm_missing') {
      return {
        status: 400,
        body: { error: { type: 'invalid_request_error', code: 'resource_missing', message: 'No such PaymentMethod' } },
      }
    }
    const metadata = Object.fromEntries(
      Object.entries(form).flatMap(([name, value]) => {
        const key = /^metadata\[(\w+)\]$/.exec(name)?.[1]
        return key ? [[key, value]] : []
      }),
    )
    const intent: Intent = {
      id: `pi_${intents.length + 1}`,
      status: status === undefined ? 'succeeded' : status === 'processing' ? 'processing' : 'requires_payment_method',
      amount: Number(form.amount),
      currency: form.currency!,
      metadata,
      form,
      last_payment_error: null,
    }
    intents.push(intent)
    if (intent.status !== 'requires_payment_method') return { status: 200, body: intent }
    const error =
      status === 'declined'
        ? {
            type: 'card_error',
            code: 'card_declined',
            decline_code: 'insufficient_funds',
            message: 'Your card has insufficient funds.',
          }
        : { type: 'card_error', code: 'authentication_required', message: 'This payment requires authentication.' }
    intent.last_payment_error = error
    return { status: 402, body: { error: { ...error, payment_intent: intent } } }
  }

  async function answer(req: IncomingMessage, res: ServerResponse): Promise<void> {
    const chunks: Buffer[] = []
    for await (const chunk of req) chunks.push(chunk as Buffer)
    const text = Buffer.concat(chunks).toString()
    const send = (status: number, body: object | string) =>
      void res
        .writeHead(status, { 'Content-Type': 'application/json' })
        .end(typeof body === 'string' ? body : JSON.stringify(body))
    if (req.headers.authorization !== 'Bearer sk_test_stoa') return send(401, { error: { message: 'Invalid API Key' } })
    const url = new URL(req.url!, 'http://localhost')
    const customer = /^\/v1\/customers\/(\w+)$/.exec(url.pathname)?.[1]
    if (customer !== undefined) {
      const metadata = customers.get(customer)
      return metadata ? send(200, { id: customer, metadata }) : send(404, { error: { code: 'resource_missing' } })
    }
    if (url.pathname === '/v1/payment_intents/search') {
      const id = /^metadata\["stoa_top_up"\]:"(\w+)"$/.exec(url.searchParams.get('query')!)?.[1]
      if (id === undefined) wrong.push(`query ${url.search}`)
      const data = isSearchable ? intents.filter(({ metadata }) => metadata.stoa_top_up === id) : []
      return send(200, { data })
    }
    const known = /^\/v1\/payment_intents\/(pi_\w+)$/.exec(url.pathname)?.[1]
    if (known !== undefined) {
      const intent = intents.find(({ id }) => id === known)
      return intent ? send(200, intent) : send(404, { error: { code: 'resource_missing', message: 'No such intent' } })
    }
    if (req.method !== 'POST' || url.pathname !== '/v1/payment_intents') return send(404, {})

    const key = req.headers['idempotency-key']
    if (req.headers['content-type'] !== 'application/x-www-form-urlencoded') wrong.push('not a form')
    if (typeof key !== 'string' || key === '') return (wrong.push('no key'), send(400, {}))
    const used = keys.get(key)
    if (used) {
      if (used.form !== text)
        return send(400, { error: { type: 'idempotency_error', message: 'Keys for idempotent requests…' } })
      return send(used.status, used.body)
    }
    const trouble = troubles.shift()
    if (trouble === 'cut before it') return void req.socket.destroy()
    if (trouble === 'no JSON') return send(502, '<html>')
    if (trouble === 'late') return void setTimeout(() => send(504, {}), 3000).unref()
    if (trouble !== undefined && trouble !== 'cut after the payment')
      return send(Number(trouble), { error: { message: trouble } })
    const form = new URLSearchParams(text)
    for (const name of new Set(form.keys())) if (form.getAll(name).length > 1) wrong.push(`${name} twice`)
    const made = create(Object.fromEntries(form))
    keys.set(key, { form: text, ...made })
    if (trouble === 'cut after the payment') return void req.socket.destroy()
    send(made.status, made.body)
  }

  const server = createServer((req, res) => void answer(req, res))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    intents,
    customers,
    /** What requests had that Stripe would not take. */
    wrong,
    next: (...coming: Trouble[]) => void troubles.push(...coming),
    /** As a day later. */
    forgetKeys: () => keys.clear(),
    setSearchable: (value: boolean) => void (isSearchable = value),
    close() {
      server.closeAllConnections()
      return new Promise((resolve) => server.close(resolve))
    },
  }
}

export type StripeStandIn = Awaited<ReturnType<typeof openStripe>>
