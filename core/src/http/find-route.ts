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
 * answered by the GET; where two paths fit, the one with more fixed text is taken, wherever it stands.
 */
export function createRouteTable<Route>(): RouteTable<Route> {
  const noop = () => undefined
  const tree = findMyWay({
    caseSensitive: false,
    ignoreTrailingSlash: true,
    // Whether a parameter may be that long is for its schema to say.
    maxParamLength: 100_000,
    onBadUrl: () => undefined,
  })
  return {
    add(method, path, route) {
      tree.on(method as HTTPMethod, path, noop, route)
    },
    find(method, path) {
      const wanted = (method === 'HEAD' ? 'GET' : method) as HTTPMethod
      const found = tree.find(wanted, path)
      if (found === null) return null
      // A broken escape is told before the path is compared: it is ours when it is with any other text in the escape's place.
      if (found.store === null || found.store === undefined) {
        return tree.find(wanted, path.replaceAll('%', '-')) === null ? null : 'broken'
      }
      return { route: found.store as Route, params: found.params as Record<string, string> }
    },
  }
}
