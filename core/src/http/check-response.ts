import type { Context } from '../context.ts'
import type { SchemaCompiler, TSchema, Validator } from '../kernel/index.ts'
import { EventStream } from './event-stream.ts'
import type { Operation, Reply } from './operation.ts'
import { sentenceOf } from './sentence-of.ts'

// In production a response is not checked: a body that differs from its documentation still beats none.
export function responseValidators(operation: Operation, schemas: SchemaCompiler): Map<number, Validator | null> {
  return new Map(
    Object.entries(operation.responses).map(([status, schema]) => [
      Number(status),
      schema && schemas.response(schema as TSchema),
    ]),
  )
}

export function checkResponse(
  { config, logger }: Context,
  operation: Operation,
  answers: Map<number, Validator | null>,
  answer: Reply,
): void {
  const problem = responseProblem(answers, answer)
  if (problem === null) return
  const error = new Error(`${operation.id} answered ${answer.status}: ${problem}`)
  if (config.mode === 'test') throw error
  logger.error({ err: error }, 'a response differs from its documentation')
}

function responseProblem(answers: Map<number, Validator | null>, answer: Reply): string | null {
  if (!answers.has(answer.status)) return 'the status is not documented'
  const validator = answers.get(answer.status)
  if (!validator || Buffer.isBuffer(answer.body) || answer.body instanceof EventStream) return null
  const refusal = validator(answer.body === undefined ? undefined : JSON.parse(JSON.stringify(answer.body)))
  return refusal && sentenceOf(refusal.fields)
}
