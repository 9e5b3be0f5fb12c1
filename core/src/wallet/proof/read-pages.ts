/** So many rows at a time: enough that a round trip does not count, and few enough for any memory. */
export const pageSize = 2000

/** Pages of rows in an order that does not change; `fetch` gives at most `pageSize` of them after a row, or the first. */
export async function* readPages<Item>(fetch: (after: Item | null) => Promise<Item[]>): AsyncGenerator<Item[]> {
  let last: Item | null = null
  for (;;) {
    const page: Item[] = await fetch(last)
    if (page.length > 0) yield page
    if (page.length < pageSize) return
    last = page.at(-1)!
  }
}
