/** What an endpoint's filter may have: a type, or a pattern in which `*` stands for any part of one. */
export const eventFilterPattern = '^[a-z*][a-z0-9.*-]*$'

/** Whether one of the filter's types or patterns means this type. */
export function wantsType(filter: readonly string[], type: string): boolean {
  return filter.some((pattern) => pattern === '*' || pattern === type || (pattern.includes('*') && fits(pattern, type)))
}

/** The parts between the stars must come in this order; no regular expression, because the pattern is somebody else's. */
function fits(pattern: string, type: string): boolean {
  const parts = pattern.split('*')
  const [first = '', last = ''] = [parts[0], parts.at(-1)]
  if (type.length < first.length + last.length || !type.startsWith(first) || !type.endsWith(last)) return false
  const end = type.length - last.length
  let from = first.length
  for (const part of parts.slice(1, -1)) {
    const found = type.indexOf(part, from)
    if (found < 0 || found + part.length > end) return false
    from = found + part.length
  }
  return true
}
