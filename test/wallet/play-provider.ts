import type { FundingOutcome, FundingPort, FundingRequest } from '@stoa/core'

/** What the provider does with the next payments, in order; then it lets them succeed. */
export type Turn = 'succeed' | 'decline' | 'pend' | 'refuse connection' | 'charge and crash'

interface Payment {
  request: FundingRequest
  status: FundingOutcome['status']
}

/** A payment provider in memory that keeps ids as real ones do, counts what it took, and can be out of order. */
export function createPlayProvider() {
  const payments = new Map<string, Payment>()
  const turns: Turn[] = []
  let asked = 0

  const outcome = ({ request, status }: Payment): FundingOutcome => ({
    status,
    reference: `pay_${request.id}`,
    ...(status === 'declined' && { reason: 'card_declined: insufficient_funds' }),
  })

  const port: FundingPort = {
    fund(request) {
      asked++
      const known = payments.get(request.id)
      if (known) return Promise.resolve(outcome(known))
      const turn = turns.shift() ?? 'succeed'
      if (turn === 'refuse connection') return Promise.reject(new Error('ECONNREFUSED'))
      const statuses = { succeed: 'succeeded', decline: 'declined', pend: 'pending', 'charge and crash': 'succeeded' }
      const payment = { request, status: statuses[turn] as Payment['status'] }
      payments.set(request.id, payment)
      if (turn === 'charge and crash') return Promise.reject(new Error('the line was cut'))
      return Promise.resolve(outcome(payment))
    },
    look({ id, reference }) {
      asked++
      const payment = payments.get(reference === null ? id : reference.slice('pay_'.length))
      return Promise.resolve(payment ? outcome(payment) : null)
    },
  }

  return {
    port,
    next: (...coming: Turn[]) => void turns.push(...coming),
    /** Settles what is pending there. */
    settle(status: 'succeeded' | 'declined') {
      for (const payment of payments.values()) if (payment.status === 'pending') payment.status = status
    },
    requests: () => [...payments.values()].map(({ request }) => request),
    asked: () => asked,
  }
}
