import type { Db } from '../database/index.ts'
import type { ErrorCode, Static, TSchema } from '../kernel/index.ts'
import type { Caller, CallerKind } from './caller.ts'
import type { Permission } from './permission.ts'
import type { RequestFacts } from './request-facts.ts'

export type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'

/**
 * The surface decides how refusals look. `store` (Rebilly) and `author` (Baloom): everything about the body is 422.
 * `runtime` (HighLevel): absent members are 400, wrong ones 422, and `error` is the reason phrase; `runtime-v3` is its third
 * version, which nests what was wrong. `oauth`: RFC 6749 section 5.2. `page`: a page for people.
 */
export type Surface = 'store' | 'author' | 'runtime' | 'runtime-v3' | 'platform' | 'oauth' | 'page'

type Value<S> = S extends TSchema ? Static<S> : undefined
type Answer<R> = { [Status in keyof R]: Value<R[Status]> }[keyof R]

/** What a handler gets: validated values, never `req` or `res`. */
export interface Input<P, Q, B> {
  params: Value<P>
  query: Value<Q>
  body: Value<B>
  caller: Caller
  /** The operation's transaction; the plain database for reads and for operations that said `transaction: false`. */
  db: Db
  /** For operations without a caller, such as signing in. */
  ip: string
  request: RequestFacts
}

export type ReplyHeaders = Record<string, string | string[]>

/** An answer with headers, or with another status than the operation's first. */
export class Reply<T = unknown> {
  readonly status: number
  readonly body: T
  readonly headers: ReplyHeaders
  constructor(status: number, body: T, headers: ReplyHeaders = {}) {
    this.status = status
    this.body = body
    this.headers = headers
  }
}

export function reply<T>(status: number, body: T, headers?: ReplyHeaders): Reply<T> {
  return new Reply(status, body, headers)
}

export interface OperationSpec<P, Q, B, R> {
  /** Stable; also a name of its permission and of the method in the generated client. */
  id: string
  method: Method
  /** Express syntax: `/applications/:id`. */
  path: string
  /** Former or parallel paths that lead to the same code. */
  aliases?: string[]
  surface: Surface
  tag: string
  summary: string
  description?: string
  /** Null for what anybody may call without a credential. */
  permission: Permission | null
  /** Kinds of credential it takes. */
  callers?: CallerKind[]
  /**
   * Whether `/organizations/{organizationId}` (`organization`), and also `/organizations/{…}/locations/{…}` (`target`), may
   * stand before the path to choose the scope.
   */
  scope?: 'organization' | 'target'
  /** The path parameter that is itself the organization to act in, as in `/organizations/:id`. */
  scopeParameter?: string
  params?: P
  query?: Q
  body?: B
  /**
   * `optional` JSON may be absent (the handler gets undefined); `bytes` is any content as a Buffer; `form` is a form, and JSON
   * from clients that send that in its place (see read-form.ts).
   */
  bodyKind?: 'required' | 'optional' | 'bytes' | 'form'
  /** Where `config.bodyLimitBytes` is too little; the larger of the two counts. */
  bodyLimitBytes?: number
  /** By status; null for an empty one. The first is the usual one. */
  responses: R
  errors?: ErrorCode[]
  /** False when the rule opens its own transaction; by default everything but GET runs in one. */
  transaction?: boolean
  handler: (input: Input<P, Q, B>) => Promise<Answer<R> | Reply<Answer<R>>>
}

/** An operation as the host sees it: routing, validation, OpenAPI, permissions, client and docs are made from it. */
export interface Operation extends Omit<
  OperationSpec<TSchema, TSchema, TSchema, Record<number, TSchema | null>>,
  'handler'
> {
  handler: (input: ErasedInput) => Promise<unknown>
}

type ErasedInput = Omit<Input<undefined, undefined, undefined>, 'params' | 'query' | 'body'> &
  Record<'params' | 'query' | 'body', unknown>

export function defineOperation<
  P extends TSchema | undefined = undefined,
  Q extends TSchema | undefined = undefined,
  B extends TSchema | undefined = undefined,
  R extends Record<number, TSchema | null> = Record<number, null>,
>(spec: OperationSpec<P, Q, B, R>): Operation {
  return spec as unknown as Operation
}
