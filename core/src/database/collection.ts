import type { Knex } from 'knex'
import { Type } from '../kernel/index.ts'
import { integer, type Row } from './codecs.ts'
import {
  type Clause,
  type CollectionColumn,
  type Condition,
  filterLimits,
  foldText,
  parseFilter,
  refuseControlCharacters,
  refuseParameter,
} from './filter-language.ts'

/** What can be asked of one collection. */
export interface CollectionSpec {
  /** By wire name: what `filter` and `sort` may name. */
  columns: Readonly<Record<string, CollectionColumn>>
  /** Unique; the order when nothing else decides. */
  idColumn: string
  /** Column with `foldText` of everything that `q` looks through. Without one `q` is refused. */
  searchColumn?: string
  /** Members of the wire object, for `fields`. */
  members: readonly string[]
  /** What `expand` may name. */
  expandable: readonly string[]
}

const csv = (description: string) => Type.Optional(Type.String({ maxLength: 1000, description }))

/** The query parameters of a collection, to be spread beside `PageQuery`. */
export const CollectionParameters = {
  filter: Type.Optional(
    Type.String({
      maxLength: filterLimits.characters,
      description:
        '`field:value`; `,` for one of several values, `;` between fields, `!` for not, `1..10` for a range.',
    }),
  ),
  sort: csv('Fields, separated by commas; `-` before one for descending.'),
  fields: csv('Members to return, separated by commas; `id` always is.'),
  expand: csv('What to embed, separated by commas.'),
  q: Type.Optional(Type.String({ maxLength: 200, description: 'Words to look for, each anywhere in the text.' })),
}

/** A collection request as it came in. */
export interface CollectionText {
  filter?: string
  sort?: string
  fields?: string
  expand?: string
  q?: string
}

export interface CollectionQuery {
  clauses: Clause[]
  sort: { column: CollectionColumn; descending: boolean }[]
  /** Null for all members. */
  fields: ReadonlySet<string> | null
  expand: ReadonlySet<string>
  words: string[]
}

/** Reads a collection's parameters. Pure. Throws 400 `invalid_request` naming the parameter and the field. */
export function parseCollection(spec: CollectionSpec, text: CollectionText): CollectionQuery {
  refuseControlCharacters('q', text.q ?? '')
  const words = foldText(text.q ?? '')
    .split(/\s+/)
    .filter(Boolean)
  if (words.length > 0 && !spec.searchColumn) throw refuseParameter('q', '', 'is not offered by this collection')
  return {
    clauses: parseFilter(spec.columns, text.filter ?? ''),
    sort: namesOf(text.sort).map((name) => {
      const field = name.replace(/^[+-]/, '')
      const column = Object.hasOwn(spec.columns, field) ? spec.columns[field] : undefined
      if (!column)
        throw refuseParameter('sort', field, `is not a field; there are ${Object.keys(spec.columns).join(', ')}`)
      return { column, descending: name.startsWith('-') }
    }),
    fields: text.fields === undefined ? null : knownNames('fields', text.fields, spec.members),
    expand: parseExpand(spec, text.expand),
    words: words.slice(0, 10),
  }
}

/** `expand` alone, for an operation that answers one item. */
export function parseExpand(spec: Pick<CollectionSpec, 'expandable'>, expand: string | undefined): ReadonlySet<string> {
  return knownNames('expand', expand ?? '', spec.expandable)
}

/** One page and the total, of `query`: a select without columns, order or limit, already narrowed to what may be seen. */
export async function fetchCollection(
  query: Knex.QueryBuilder,
  spec: CollectionSpec,
  wanted: CollectionQuery,
  page: { limit: number; offset: number },
): Promise<{ rows: Row[]; total: number }> {
  for (const clause of wanted.clauses) applyClause(query, clause)
  for (const word of wanted.words) {
    query.whereRaw(`?? like ? escape '!'`, [spec.searchColumn!, `%${word.replace(/[!%_]/g, '!$&')}%`])
  }
  const counted = (await query.clone().count({ total: '*' }).first()) as Row
  const total = integer(counted['total'])
  if (page.limit === 0 || page.offset >= total) return { rows: [], total }
  // Both databases put nulls last, whichever way round; by themselves they disagree.
  for (const { column, descending } of wanted.sort) {
    const name = column.folded ?? column.column
    query.orderByRaw(`?? is null, ?? ${descending ? 'desc' : 'asc'}`, [name, name])
  }
  const rows = (await query.orderBy(spec.idColumn).limit(page.limit).offset(page.offset)) as Row[]
  return { rows, total }
}

/** The members that `fields` asked for, with `id` and what was expanded. */
export function pickFields<T extends object>(item: T, fields: ReadonlySet<string> | null): Partial<T> {
  if (!fields) return item
  const wanted = Object.entries(item).filter(([name]) => name === 'id' || name === '_embedded' || fields.has(name))
  return Object.fromEntries(wanted) as Partial<T>
}

function applyClause(query: Knex.QueryBuilder, { column, any, none }: Clause): void {
  if (any.length > 0) {
    query.where((group) => {
      for (const each of any) group.orWhere((one) => applyCondition(one, column, each))
    })
  }
  // Rows without a value are not the value either; SQL's own `not` would drop them.
  for (const each of none) {
    query.where((group) => {
      group.whereNull(column.column).orWhereNot((one: Knex.QueryBuilder) => applyCondition(one, column, each))
    })
  }
}

function applyCondition(query: Knex.QueryBuilder, column: CollectionColumn, condition: Condition): void {
  if ('equals' in condition) return applyEquals(query, column, condition.equals)
  if (condition.from !== undefined) query.where(column.column, '>=', condition.from)
  if (condition.to !== undefined) query.where(column.column, '<=', condition.to)
  if (condition.before !== undefined) query.where(column.column, '<', condition.before)
}

function applyEquals(query: Knex.QueryBuilder, column: CollectionColumn, value: string | number | boolean): void {
  if (column.type !== 'text') query.where(column.column, value)
  else if (column.folded) query.where(column.folded, foldText(String(value)))
  else query.whereRaw('lower(??) = lower(?)', [column.column, value])
}

function namesOf(text: string | undefined): string[] {
  return (text ?? '')
    .split(',')
    .map((name) => name.trim())
    .filter(Boolean)
}

function knownNames(parameter: string, text: string, known: readonly string[]): ReadonlySet<string> {
  const names = namesOf(text)
  const unknown = names.find((name) => !known.includes(name))
  if (unknown !== undefined) {
    throw refuseParameter(
      parameter,
      unknown.slice(0, 100),
      `is not known here; there are ${known.join(', ') || 'none'}`,
    )
  }
  return new Set(names)
}
