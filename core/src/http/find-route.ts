import findMyWay, { type HTTPMethod } from 'find-my-way'

/** What stands behind a path, and the values of its parameters, decoded. */
export interface Found<Route> {
  route: Route
  params: Record<string, string>
}

export interface RouteTable<Route> {
  add(method: string, path: string, route: Route): void
  /** Null for what nothing stands behind; `broken` for a path of ours whose percent-encoding is. */
  find(method: string, path: string): Found<Route> | 'broken' | null
}

/**
 * Routes in a radix tree. Express tries one route after the other, each with a regular expression, which with some hundreds of
 * operations costs more than the rest of a request. As with Express, case and a trailing slash make no difference, and a HEAD is
 * answered by the GET; where two paths fit, the one with more fixed text is taken, wherever it stands. Also as with Express, the path
 * is compared as it was sent, and only values are decoded: an embedder's own rule for `/platform` sees the very path that leads here.
 */
export function createRouteTable<Route>(): RouteTable<Route> {
  const noop = () => undefined
  const tree = findMyWay({
    caseSensitive: false,
    ignoreTrailingSlash: true,
    // Whether a parameter may be that long is for its schema to say.
    maxParamLength: 100_000,
  })
  return {
    add(method, path, route) {
      tree.on(method as HTTPMethod, path, noop, route)
    },
    find(method, path) {
      const wanted = (method === 'HEAD' ? 'GET' : method) as HTTPMethod
      const isEncoded = path.includes('%')
      // The tree would decode before it compares. This way it finds, and gives back, what was sent.
      const found = tree.find(wanted, isEncoded ? path.replaceAll('%', '%25') : path)
      if (found === null) return null
      const params = isEncoded ? decoded(found.params) : (found.params as Record<string, string>)
      return params === null ? 'broken' : { route: found.store as Route, params }
    },
  }
}

/** Null when one of them cannot be decoded. */
function decoded(params: Record<string, string | undefined>): Record<string, string> | null {
  try {
    return Object.fromEntries(Object.entries(params).map(([name, value]) => [name, decodeURIComponent(value!)]))
  } catch {
    return null
  }
}
