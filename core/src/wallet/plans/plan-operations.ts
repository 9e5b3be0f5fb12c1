import { ownedApplication } from '../../applications/index.ts'
import { defineOperation, linkTo, pagedReply, PageQuery, reply, type Operation } from '../../http/index.ts'
import { Id, Nullable, OneOf, StoaError, Strict, Time, Type, type Static } from '../../kernel/index.ts'
import type { WalletContext } from '../context.ts'
import { amounts, Decimal, ExactText, StorableText } from '../exact.ts'
import { readPlans, writePlans } from '../permissions.ts'
import { paymentTimes } from './period-end-after.ts'
import { paymentTypes, planStatuses, type Plan } from './plan.ts'
import { findPlan, listPlans } from './plan-store.ts'
import { changePlanOffer, createPlan } from './plans.ts'

const PlanShape = Type.Object({
  id: Id(),
  applicationId: Id(),
  name: Type.String(),
  features: Type.Array(Type.String()),
  paymentType: OneOf(paymentTypes),
  paymentTime: OneOf(paymentTimes),
  amount: Type.Number({ description: 'What an organization pays for itself.' }),
  locationAmount: Type.Number({ description: 'What each location pays, before its organization’s markup.' }),
  exact: Type.Object({ amount: ExactText, locationAmount: ExactText }),
  currency: Type.String(),
  freePlan: Type.Boolean(),
  freeForOrganization: Type.Boolean(),
  freeForLocation: Type.Boolean(),
  trialDays: Type.Integer(),
  status: OneOf(planStatuses),
  createdTime: Time(),
  updatedTime: Time(),
})

const Name = Type.String({ ...StorableText(100), minLength: 1, description: 'Shown to those who choose.' })
const Features = Type.Array(Type.String({ ...StorableText(200), minLength: 1 }), {
  maxItems: 5,
  description: 'What it offers, in at most 5 lines.',
})
const Money = (description: string) => Type.Optional(Nullable(Type.Union(Decimal.anyOf, { description })))
const Flag = (description: string) => Type.Optional(Type.Boolean({ description }))

const fixed = {
  amount: Money('For an organization, for each period: above 0 with at most 6 decimals.'),
  locationAmount: Money('For a location, for each period.'),
  freePlan: Flag('Free for everybody, and what is chosen where nobody chooses.'),
  freeForOrganization: Flag('Free for whole organizations.'),
  freeForLocation: Flag('Free for locations.'),
  trialDays: Type.Optional(Type.Integer({ minimum: 0, maximum: 90, description: 'Once for each installation.' })),
  currency: Type.Optional(Type.String({ maxLength: 3, description: 'The platform’s, which is the default.' })),
}

const CreatePlanBody = Strict({
  name: Name,
  features: Type.Optional(Features),
  paymentType: OneOf(paymentTypes),
  paymentTime: OneOf(paymentTimes, { description: '`life_time` with `one_time`.' }),
  ...fixed,
})
const UpdatePlanBody = Strict({
  name: Type.Optional(Name),
  features: Type.Optional(Features),
  status: Type.Optional(OneOf(planStatuses, { description: 'A retired plan takes no new subscribers.' })),
  paymentType: Type.Optional(OneOf(paymentTypes)),
  paymentTime: Type.Optional(OneOf(paymentTimes)),
  ...fixed,
})

const path = '/developers/applications/:id/plans'
const common = { scope: 'organization', surface: 'author', tag: 'Plans' } as const
const ofApplication = Type.Object({ id: Id() })
const one = Type.Object({ id: Id(), planId: Id() })

/** The author's side: what an application costs for a period. */
export function planOperations(ctx: WalletContext): Operation[] {
  return [
    defineOperation({
      ...common,
      id: 'createPlan',
      method: 'POST',
      path,
      summary: 'Make a plan: what the application costs for a month, a year, or once',
      description:
        'At most 6 can be active. Once it has a plan, an application can only be installed with one; what was installed before goes on without.',
      permission: writePlans,
      params: ofApplication,
      body: CreatePlanBody,
      responses: { 201: PlanShape },
      errors: ['not_found', 'validation_failed', 'limit_reached'],
      handler: async ({ caller, db, params: { id }, body }) => {
        const application = await ownedApplication(db, caller, id)
        const plan = await createPlan(ctx, db, application, body)
        const location = linkTo(ctx, caller, `/developers/applications/${id}/plans/${plan.id}`)
        return reply(201, planShape(plan), { Location: location })
      },
    }),
    defineOperation({
      ...common,
      id: 'listPlans',
      method: 'GET',
      path,
      summary: 'List an application’s plans',
      permission: readPlans,
      params: ofApplication,
      query: Type.Object(PageQuery),
      responses: { 200: Type.Array(PlanShape) },
      errors: ['not_found'],
      handler: async ({ caller, db, params: { id }, query }) => {
        await ownedApplication(db, caller, id)
        const { items, total } = await listPlans(db, id, query)
        return pagedReply({ items: items.map(planShape), total }, query)
      },
    }),
    defineOperation({
      ...common,
      id: 'getPlan',
      method: 'GET',
      path: `${path}/:planId`,
      summary: 'See one plan',
      permission: readPlans,
      params: one,
      responses: { 200: PlanShape },
      errors: ['not_found'],
      handler: async ({ caller, db, params: { id, planId } }) => {
        await ownedApplication(db, caller, id)
        const plan = await findPlan(db, { applicationId: id, planId })
        if (!plan) throw new StoaError('not_found')
        return planShape(plan)
      },
    }),
    defineOperation({
      ...common,
      id: 'updatePlan',
      method: 'PATCH',
      path: `${path}/:planId`,
      summary: 'Rename a plan, describe it anew, retire it or offer it again',
      description: 'What its subscribers pay cannot be changed: make another plan, and retire this one.',
      permission: writePlans,
      params: one,
      body: UpdatePlanBody,
      responses: { 200: PlanShape },
      errors: ['not_found', 'validation_failed', 'limit_reached'],
      handler: async ({ caller, db, params: { id, planId }, body }) => {
        await ownedApplication(db, caller, id)
        return planShape(await changePlanOffer(ctx, db, { applicationId: id, planId }, body))
      },
    }),
  ]
}

function planShape(plan: Plan): Static<typeof PlanShape> {
  const { publisherId: _publisher, position: _position, amount, locationAmount, ...shown } = plan
  return { ...shown, ...amounts({ amount, locationAmount }) }
}
