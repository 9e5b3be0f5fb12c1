/** What a protocol may need to know of a request beyond its parameters. Plain values. */
export interface RequestFacts {
  method: string
  /** As clients see it: under `baseUrl`, without the query. What a DPoP proof names (RFC 9449, `htu`). */
  url: string
  /** The raw query, without the question mark: where a parameter that comes twice can be told. */
  search: string
  headers: Record<string, string | string[] | undefined>
  traceId: string
}
