import Big from 'big.js'

/**
 * What the wallet should do, in the simplest words and without a database: every figure is counted anew from the list of charges. Money
 * and units are micro-units, times milliseconds. Plain data, so that a copy of it can be tried and thrown away.
 */
export interface Model {
  now: number
  wallets: Record<Payer, Wallet>
  charges: Charge[]
  holds: Hold[]
  caps: Cap[]
  prices: Prices
  dailyLimit: bigint | null
  /** Null: the location pays what the application asks; a number: so many basis points more; `organization`: that one pays. */
  rule: number | 'organization' | null
  feeBps: number
  earned: { author: bigint; platform: bigint; margin: bigint }
}

export type Payer = 'location' | 'organization'
export type MeterName = 'fixed' | 'dynamic' | 'graduated'
export interface Prices {
  fixed: bigint
  graduated: { upTo: bigint | null; price: bigint }[]
}

/** Its balance is its own money and what remains of its grants. */
export interface Wallet {
  own: bigint
  /** Of its own money. */
  held: bigint
  overdraft: bigint
  grants: Grant[]
}

export interface Grant {
  id: string
  paid: boolean
  remaining: bigint
  held: bigint
  priority: number
  begins: number
  ends: number
  meter: MeterName | null
}

/** What money came of: a grant by its place in the list, or null for the wallet's own. */
type Part = { grant: number | null; amount: bigint }

export interface Wish {
  event: string
  meter: MeterName
  units: bigint
  price: bigint | null
}

export interface Charge extends Wish {
  id: string
  payer: Payer
  amount: bigint
  base: bigint
  fee: bigint
  /** In the order in which it was spent, without what was given back. */
  parts: Part[]
  back: bigint
  backUnits: bigint
  isRefunded: boolean
  refunds: Map<string, { amount: bigint; units: bigint }>
  created: number
  hold: number | null
}

export interface Hold {
  id: string
  meter: MeterName
  payer: Payer
  amount: bigint
  captured: bigint
  status: 'open' | 'captured' | 'released' | 'expired'
  parts: Part[]
  expires: number
}

export interface Cap {
  period: 'day' | 'month'
  meter: MeterName | null
  amount: bigint
}

export type Answer = number | string

const sum = (amounts: bigint[]): bigint => amounts.reduce((total, amount) => total + amount, 0n)
const least = (a: bigint, b: bigint): bigint => (a < b ? a : b)
const million = new Big(1_000_000)
/** So many micro-units times so much, in micro-units: rounded half up once, by somebody else's arithmetic. */
const times = (pairs: [bigint, bigint][]): bigint =>
  BigInt(
    pairs
      .reduce((total, [a, b]) => total.plus(new Big(String(a)).times(String(b))), new Big(0))
      .div(million)
      .round(0, Big.roundHalfUp)
      .toFixed(0),
  )
/** `amount * a / b` in the same way. */
const ratio = (amount: bigint, a: bigint, b: bigint): bigint => (2n * amount * a + b) / (2n * b)

export const balanceOf = ({ own, grants }: Wallet): bigint => own + sum(grants.map(({ remaining }) => remaining))
export const heldOf = ({ held, grants }: Wallet): bigint => held + sum(grants.map((grant) => grant.held))

const isIn = (period: 'day' | 'month', time: number, now: number): boolean => {
  const length = period === 'day' ? 10 : 7
  return new Date(time).toISOString().slice(0, length) === new Date(now).toISOString().slice(0, length)
}

const unitsIn = (model: Model, meter: MeterName, period: 'day' | 'month'): bigint =>
  sum(
    model.charges
      .filter((charge) => charge.meter === meter && isIn(period, charge.created, model.now))
      .map(({ units, backUnits }) => units - backUnits),
  )

/** What of a cap is used up in the period that is going on. */
export const usedOf = (model: Model, { period, meter }: Cap): bigint =>
  sum(
    model.charges
      .filter((charge) => (meter === null || charge.meter === meter) && isIn(period, charge.created, model.now))
      .map(({ amount, back }) => amount - back),
  )

function priceOf(model: Model, { meter, units, price }: Wish): bigint {
  if (meter === 'fixed') return times([[units, model.prices.fixed]])
  if (meter === 'dynamic') return times([[units, price!]])
  let [from, until] = [unitsIn(model, 'graduated', 'month'), 0n]
  const end = from + units
  const pairs: [bigint, bigint][] = []
  for (const { upTo, price: each } of model.prices.graduated) {
    until = upTo === null ? end : least(end, upTo)
    if (until <= from) continue
    pairs.push([until - from, each])
    from = until
  }
  return times(pairs)
}

const payerOf = ({ rule }: Model): Payer => (rule === 'organization' ? 'organization' : 'location')
const resold = ({ rule }: Model, base: bigint): bigint =>
  typeof rule === 'number' ? base + ratio(base, BigInt(rule), 10_000n) : base

/** Grants that may be spent, in the order in which they are. */
const usable = ({ grants }: Wallet, meter: MeterName, now: number): Grant[] =>
  grants
    .filter((grant) => grant.begins <= now && grant.ends > now && (grant.meter === null || grant.meter === meter))
    .toSorted((a, b) => a.priority - b.priority || compare(a.ends, b.ends) || Number(a.paid) - Number(b.paid))
const compare = (a: number, b: number): number => (a === b ? 0 : a < b ? -1 : 1)

const free = ({ remaining, held }: Grant): bigint => remaining - held
const availableIn = (wallet: Wallet, meter: MeterName, now: number, overdraft: bigint): bigint =>
  wallet.own - wallet.held + overdraft + sum(usable(wallet, meter, now).map(free))

/** What every application could charge: without what is for one meter. */
export function availableToAll({ wallets: { location }, now }: Model): bigint {
  const forAll = { ...location, grants: location.grants.filter(({ meter }) => meter === null) }
  return availableIn(forAll, 'fixed', now, location.overdraft)
}

/** Which parts `amount` would come of: grants first, then the wallet's own money. */
function partsOf(wallet: Wallet, amount: bigint, meter: MeterName, now: number): Part[] {
  const parts: Part[] = []
  let missing = amount
  for (const grant of usable(wallet, meter, now)) {
    const part = least(free(grant), missing)
    if (part > 0n) parts.push({ grant: wallet.grants.indexOf(grant), amount: part })
    missing -= part
  }
  if (missing > 0n) parts.push({ grant: null, amount: missing })
  return parts
}

function refusalOf(model: Model, { meter, units }: Wish, amount: bigint): string | null {
  if (meter === 'fixed' && model.dailyLimit !== null && unitsIn(model, meter, 'day') + units > model.dailyLimit) {
    return 'usage_limit_reached'
  }
  const caps = model.caps.filter((cap) => cap.meter === null || cap.meter === meter)
  return amount > 0n && caps.some((cap) => usedOf(model, cap) + amount > cap.amount) ? 'cap_reached' : null
}

const isSame = (a: Wish, b: Wish) => a.meter === b.meter && a.units === b.units && a.price === b.price

export interface Capture {
  hold: number
  isFinal: boolean
  allowExcess: boolean
}

export function charge(model: Model, wish: Wish, capture: Capture | null = null): Answer {
  const known = model.charges.find(({ event }) => event === wish.event)
  if (known) return isSame(known, wish) && known.hold === (capture?.hold ?? null) ? 200 : 'event_id_reused'
  const base = priceOf(model, wish)
  const amount = resold(model, base)
  const hold = capture && model.holds[capture.hold]!
  if (hold && (hold.status !== 'open' || hold.expires <= model.now)) return 'hold_closed'
  const payer = hold ? hold.payer : payerOf(model)
  const wallet = model.wallets[payer]
  const refusal = refusalOf(model, wish, amount)
  if (refusal) return refusal
  const reserved = hold ? hold.amount - hold.captured : 0n
  const ofHold = least(amount, reserved)
  const rest = amount - ofHold
  if (rest > 0n && hold && !capture!.allowExcess) return 'hold_exceeded'
  if (rest > 0n && rest > availableIn(wallet, wish.meter, model.now, wallet.overdraft)) return 'insufficient_funds'
  const spent = partsOf(wallet, rest, wish.meter, model.now)
  const captured: Part[] = []
  if (hold) {
    let missing = ofHold
    for (const part of hold.parts) {
      const taken = least(part.amount, missing)
      if (taken > 0n) captured.push({ ...part, amount: taken })
      part.amount -= taken
      missing -= taken
    }
    hold.parts = hold.parts.filter((part) => part.amount > 0n)
    hold.captured += ofHold
    for (const part of captured) reserve(wallet, part, -1n)
    if (capture!.isFinal || hold.captured === hold.amount) close(model, hold, 'captured')
  }
  const parts = [...captured, ...spent]
  for (const part of parts) move(wallet, part, -1n)
  const fee = (base * BigInt(model.feeBps)) / 10_000n
  earn(model, amount, base, fee, 1n)
  model.charges.push({
    ...wish,
    id: '',
    payer,
    amount,
    base,
    fee,
    // What the wallet paid itself was spent last.
    parts: [...parts.filter(({ grant }) => grant !== null), ...parts.filter(({ grant }) => grant === null)],
    back: 0n,
    backUnits: 0n,
    isRefunded: false,
    refunds: new Map(),
    created: model.now,
    hold: capture?.hold ?? null,
  })
  return 201
}

function earn(model: Model, amount: bigint, base: bigint, fee: bigint, sign: bigint): void {
  model.earned.author += sign * (base - fee)
  model.earned.platform += sign * fee
  model.earned.margin += sign * (amount - base)
}

function move(wallet: Wallet, { grant, amount }: Part, sign: bigint): void {
  if (grant === null) wallet.own += sign * amount
  else wallet.grants[grant]!.remaining += sign * amount
}

function reserve(wallet: Wallet, { grant, amount }: Part, sign: bigint): void {
  if (grant === null) wallet.held += sign * amount
  else wallet.grants[grant]!.held += sign * amount
}

function close(model: Model, hold: Hold, status: Hold['status']): void {
  for (const part of hold.parts) reserve(model.wallets[hold.payer], part, -1n)
  hold.parts = []
  hold.status = status
}

const window = 60 * 86_400_000

/** Of money or of units; of neither, all that is left. */
export interface Wanted {
  amount: bigint | null
  units: bigint | null
}

export function refund(model: Model, which: number, refundId: string | null, wanted: Wanted): Answer {
  const of = model.charges[which]!
  const known = refundId === null ? undefined : of.refunds.get(refundId)
  if (known) {
    const isSame = (wanted.amount ?? known.amount) === known.amount && (wanted.units ?? known.units) === known.units
    return isSame ? 200 : 'refund_id_reused'
  }
  if (of.isRefunded) return refundId === null ? 200 : 'refund_exceeds_charge'
  if (model.now - of.created >= window) return 'void_window_closed'
  const given = partBack(of, wanted)
  if (!given) return 'refund_exceeds_charge'
  const { amount, units } = given
  of.backUnits += units
  const before = sharesAt(of, of.back)
  of.back += amount
  const after = sharesAt(of, of.back)
  earn(model, amount, after.base - before.base, after.fee - before.fee, -1n)
  of.isRefunded = of.back === of.amount && (of.amount > 0n || of.backUnits === of.units)
  if (refundId !== null) of.refunds.set(refundId, given)
  let missing = amount
  for (const part of of.parts.toReversed()) {
    const returned = least(part.amount, missing)
    move(model.wallets[of.payer], { ...part, amount: returned }, 1n)
    part.amount -= returned
    missing -= returned
  }
  return refundId === null ? 200 : 201
}

/** Both of what is given back; null when it is more than there is. */
function partBack(of: Charge, { amount, units }: Wanted): { amount: bigint; units: bigint } | null {
  const left = { amount: of.amount - of.back, units: of.units - of.backUnits }
  if (amount !== null) {
    if (amount > left.amount) return null
    return amount === left.amount ? left : { amount, units: least(ratio(of.units, amount, of.amount), left.units) }
  }
  if (units === null || units === left.units) return left
  return units > left.units ? null : { amount: least(ratio(of.amount, units, of.units), left.amount), units }
}

/** What the author's price and the platform's fee are of what was given back in all. */
function sharesAt({ amount, base, fee }: Charge, back: bigint): { base: bigint; fee: bigint } {
  const ofBase = amount === 0n ? 0n : (base * back) / amount
  return { base: ofBase, fee: base === 0n ? 0n : (fee * ofBase) / base }
}

export function hold(model: Model, wish: Wish, seconds: number): Answer {
  const payer = payerOf(model)
  const wallet = model.wallets[payer]
  const amount = resold(model, priceOf(model, wish))
  const refusal = refusalOf(model, wish, amount)
  if (refusal) return refusal
  if (amount === 0n) return 'invalid_units'
  if (amount > availableIn(wallet, wish.meter, model.now, 0n)) return 'insufficient_funds'
  const parts = partsOf(wallet, amount, wish.meter, model.now)
  for (const part of parts) reserve(wallet, part, 1n)
  const expires = model.now + seconds * 1000
  model.holds.push({ id: '', meter: wish.meter, payer, amount, captured: 0n, status: 'open', parts, expires })
  return 201
}

export function release(model: Model, which: number): Answer {
  const found = model.holds[which]!
  if (found.status === 'open') close(model, found, 'released')
  return 200
}

/** What the operator puts right is the wallet's own money alone. */
export function adjust(model: Model, amount: bigint): Answer {
  const wallet = model.wallets.location
  if (amount < 0n && -amount > wallet.own - wallet.held + wallet.overdraft) return 'insufficient_funds'
  wallet.own += amount
  return 201
}

export function takeBack(model: Model, which: number): Answer {
  const grant = model.wallets.location.grants[which]!
  grant.ends = Math.min(grant.ends, model.now)
  grant.remaining = grant.held
  return 200
}

/** Time goes by, and what is over ends. */
export function wait(model: Model, seconds: number): void {
  model.now += seconds * 1000
  for (const each of model.holds) if (each.status === 'open' && each.expires <= model.now) close(model, each, 'expired')
  for (const grant of model.wallets.location.grants) if (grant.ends <= model.now) grant.remaining = grant.held
}
