import { isIP, type LookupFunction } from 'node:net'

/** A `lookup` for sockets that asks `resolve` instead of getaddrinfo. Node never calls it for a literal address. */
export function createLookup(resolve: (host: string) => Promise<string[]>): LookupFunction {
  return (host, options, callback) => {
    resolve(host).then(
      (addresses) => {
        // Node takes the first without looking, and what it then throws ends the process.
        if (addresses.length === 0) return callback(new Error('no address'), '', 4)
        const found = addresses.map((address) => ({ address, family: isIP(address) }))
        if (options.all) return callback(null, found)
        const [first] = found
        callback(null, first?.address ?? '', first?.family)
      },
      (error: NodeJS.ErrnoException) => callback(error, '', 4),
    )
  }
}
