/** One challenge of a `WWW-Authenticate` header (RFC 9110 section 11.6.1); scheme and names in lower case. */
export type Challenge = { scheme: string; parameters: Map<string, string> }

const item = /[\s,]*([!#$%&'*+\-.^_`|~0-9A-Za-z]+)(?:[ \t]*=[ \t]*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+)))?/y

/**
 * Reads challenges, of which one header may hold several: a comma parts both challenges and parameters, so a name
 * without a value starts the next one. A challenge that says something twice is left out, as somebody put it together
 * from pieces that were not theirs; so is one in which anything is left that is no parameter.
 */
export function parseChallenges(header: string | string[]): Challenge[] {
  return [header].flat().flatMap(parseHeader)
}

function parseHeader(text: string): Challenge[] {
  const challenges: Challenge[] = []
  const broken = new Set<Challenge>()
  item.lastIndex = 0
  while (item.lastIndex < text.length) {
    const from = item.lastIndex
    const current = challenges.at(-1)
    const match = item.exec(text)
    if (!match) {
      if (current && text.slice(from).trim() !== '') broken.add(current)
      break
    }
    const [, name = '', quoted, bare] = match
    const value = quoted?.replaceAll(/\\(.)/g, '$1') ?? bare
    if (value === undefined) challenges.push({ scheme: name.toLowerCase(), parameters: new Map() })
    else if (current?.parameters.has(name.toLowerCase())) broken.add(current)
    else current?.parameters.set(name.toLowerCase(), value)
  }
  return challenges.filter((challenge) => !broken.has(challenge))
}
