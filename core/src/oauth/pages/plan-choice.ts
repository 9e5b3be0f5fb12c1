import { html, type Html } from '../../http/index.ts'
import { microsText, type Micros } from '../../kernel/index.ts'
import type { Plan } from '../../wallet/index.ts'

interface Choice {
  plans: Plan[]
  planId: string | null
  places: 'organization' | 'locations' | 'either'
}

/** The plans, of which one is chosen. Nothing that costs money is chosen beforehand. */
export function planChoice({ plans, planId, places }: Choice): Html | '' {
  if (plans.length === 0) return ''
  const chosen = planId ?? plans.find(({ freePlan }) => freePlan)?.id
  return html`<fieldset>
    <legend>Its plan</legend>
    ${plans.map(
      (plan) =>
        html`<label>
            <input type="radio" name="planId" value="${plan.id}" ${plan.id === chosen ? html`checked` : ''} />
            ${plan.name}: ${priceText(plan, places)}${trialText(plan)}
          </label>
          ${
            plan.features.length > 0 &&
            html`<ul class="faint">
              ${plan.features.map((feature) => html`<li>${feature}</li>`)}
            </ul>`
          }`,
    )}
    <p class="faint">
      Where it is installed already, its plan stays. An organization may ask its locations for another price.
    </p>
  </fieldset>`
}

function priceText(plan: Plan, places: Choice['places']): string {
  if (plan.freePlan) return 'free'
  const ofOrganization = amountText(plan, plan.amount, plan.freeForOrganization)
  const ofLocation = amountText(plan, plan.locationAmount, plan.freeForLocation)
  if (places === 'organization') return ofOrganization
  if (places === 'locations') return `${ofLocation} for each location`
  return `${ofOrganization} for the organization as a whole, ${ofLocation} for each location`
}

const times = { month: ' a month', year: ' a year', life_time: ' once' }

function amountText({ currency, paymentTime }: Plan, amount: Micros, isFree: boolean): string {
  return isFree ? 'free' : `${microsText(amount)} ${currency}${times[paymentTime]}`
}

const trialText = ({ trialDays }: Plan) => (trialDays > 0 ? `, after ${trialDays} days of trial` : '')
