import { Type, type Static } from '../kernel/index.ts'
import { reply, type Reply } from './operation.ts'

/** Limits of Rebilly's contract. */
export const PageQuery = {
  limit: Type.Integer({ minimum: 0, maximum: 1000, default: 100, description: 'Most items to return.' }),
  offset: Type.Integer({ minimum: 0, maximum: 100_000, default: 0, description: 'Items to skip.' }),
}
const PageQuerySchema = Type.Object(PageQuery)
export type Page = Static<typeof PageQuerySchema>

export interface Paged<T> {
  items: T[]
  total: number
}

/** A bare array with the Pagination-* headers. A limit of 0 is sent as 1, because clients divide by it. */
export function pagedReply<T>(paged: Paged<T>, page: Page): Reply<T[]> {
  return reply(200, paged.items, {
    'Pagination-Total': String(paged.total),
    'Pagination-Limit': String(Math.max(1, page.limit)),
    'Pagination-Offset': String(page.offset),
  })
}
