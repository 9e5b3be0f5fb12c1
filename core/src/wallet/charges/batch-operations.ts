import { defineOperation, reply, type Caller, type Operation } from '../../http/index.ts'
import { createSchemaCompiler, newId, StoaError, Strict, Type, type Static } from '../../kernel/index.ts'
import { writeCharges } from '../permissions.ts'
import { chargeRefusals } from './charge-refusals.ts'
import type { ChargeOutcome, ChargeRequest } from './charge.ts'
import { RefusedBatch, type ChargeQueue } from './charge-queue.ts'
import { ChargeBody, ChargeCreated, chargeCreated } from './charge-schemas.ts'
import { tenantOf } from '../tenant.ts'
import { readChargeRequest } from './read-charge-request.ts'

/** Most charges in one request. */
const most = 1000

/** With room for descriptions of full length. */
const mostBytes = 4 * 1_048_576

const BatchBody = Strict({
  charges: Type.Array(Type.Object({}), {
    minItems: 1,
    maxItems: most,
    description: 'Bodies as for a single charge, all for the location of the token. Each is judged by itself.',
  }),
  atomic: Type.Optional(
    Type.Boolean({ description: 'True: all of them or, when one is refused, none. By default each by itself.' }),
  ),
})

const BatchItem = Type.Union([
  Type.Object({
    status: Type.Integer({ description: '201, or 200 when it was charged before.' }),
    ...ChargeCreated.properties,
  }),
  Type.Object({
    success: Type.Literal(false),
    status: Type.Integer({ description: 'What the charge alone would have been answered with.' }),
    code: Type.String(),
    message: Type.String(),
    details: Type.Optional(Type.Record(Type.String(), Type.Unknown())),
  }),
])

const BatchAnswer = Type.Object({
  success: Type.Boolean({ description: 'Whether every one of them is charged.' }),
  charged: Type.Integer({ description: 'How many are charged, by this request or before.' }),
  refused: Type.Integer(),
  results: Type.Array(BatchItem, { description: 'One for each charge, in the order of the request.' }),
})

export function batchOperations(queue: ChargeQueue): Operation[] {
  const check = createSchemaCompiler().body(ChargeBody)

  /** As the operation `charge` reads its body. */
  function read(caller: Caller, body: object, batchId: string): ChargeRequest | StoaError {
    const refusal = check(body)
    if (refusal) {
      const message = refusal.fields.map((each) => `${each.field} ${each.message}`).join('; ')
      const code = refusal.onlyMissing ? 'invalid_request' : 'validation_failed'
      return new StoaError(code, { message, invalidFields: refusal.fields })
    }
    try {
      return { ...readChargeRequest(caller, body as ChargeBody), batchId }
    } catch (error) {
      if (error instanceof StoaError) return error
      throw error
    }
  }

  return [
    defineOperation({
      id: 'chargeBatch',
      method: 'POST',
      path: '/marketplace/billing/charges/batch',
      surface: 'runtime',
      tag: 'Billing',
      summary: 'Charge the location’s wallet for many things at once',
      description:
        `Up to ${most} charges in one request, answered one by one in their order, once they are on disk. They are decided in that ` +
        'order too, each on what those before it left. The same eventId twice is one charge. With `atomic` the first refusal ' +
        'refuses them all: the answer is that charge’s own, with its place as `index`.',
      permission: writeCharges,
      callers: ['application'],
      body: BatchBody,
      responses: { 200: BatchAnswer },
      errors: ['caller_not_allowed', 'invalid_request', 'validation_failed', ...chargeRefusals],
      bodyLimitBytes: mostBytes,
      transaction: false,
      handler: async ({ caller, body: { charges, atomic = false } }) => {
        // Of all of them: an organization's token is refused whole, as for a single charge.
        tenantOf(caller)
        const batchId = newId('cbt')
        const requests = charges.map((each) => read(caller, each, batchId))
        const wrong = requests.findIndex((request) => request instanceof StoaError)
        if (atomic && wrong >= 0) throw refuseAll(wrong, requests[wrong] as StoaError)
        const good = requests.filter((request): request is ChargeRequest => !(request instanceof StoaError))
        const outcomes = await submit(queue, good, atomic)
        let next = 0
        const results = requests.map((request) => shape(request instanceof StoaError ? request : outcomes[next++]!))
        const charged = results.filter(({ success }) => success).length
        return reply(200, { success: charged === results.length, charged, refused: results.length - charged, results })
      },
    }),
  ]
}

async function submit(queue: ChargeQueue, requests: ChargeRequest[], atomic: boolean) {
  if (requests.length === 0) return []
  try {
    return await queue.submitBatch(requests, { atomic })
  } catch (error) {
    if (error instanceof RefusedBatch) throw refuseAll(error.index, error.refusal)
    throw error
  }
}

/** The refusal of one, as that of all. */
function refuseAll(index: number, { code, message, details, invalidFields }: StoaError): StoaError {
  return new StoaError(code, {
    message: `Charge ${index} of the batch, and with it all of them: ${message}`,
    details: { ...details, index },
    ...(invalidFields && {
      invalidFields: invalidFields.map(({ field, message: why }) => ({
        field: `charges.${index}.${field}`,
        message: why,
      })),
    }),
  })
}

function shape(outcome: ChargeOutcome | StoaError): Static<typeof BatchItem> {
  if (outcome instanceof StoaError) {
    const { status, code, message, details } = outcome
    return { success: false, status, code, message, ...(details && { details }) }
  }
  return { status: outcome.replayed ? 200 : 201, ...chargeCreated(outcome.charge) }
}
