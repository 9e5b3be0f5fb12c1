/**
 * Rebilly's templates: JSON in which `{{a.b}}` stands for a member of the event’s body. No expressions, no loops, and nothing
 * that runs: a template is somebody else's text.
 */
const placeholder = /\{\{\s*([\w$@-]+(?:\.[\w$@-]+)*)\s*\}\}/g

/** For a template that somebody enters: a sentence that says what is wrong with it, or null. */
export function checkTemplate(template: string): string | null {
  try {
    // Also with something in every place: a placeholder in the middle of an escape is JSON only while it is empty.
    for (const value of [undefined, 'x']) JSON.parse(render(template, () => value, Infinity))
    return null
  } catch {
    return 'must be JSON in which placeholders such as {{organizationId}} may stand'
  }
}

/**
 * Fills a template in. Inside a JSON string a value is its text, escaped, and nothing when there is none; elsewhere it is its
 * JSON, and `null` when there is none. So what comes out is JSON whatever the event holds: nobody who can name an order gets to
 * write members into the body.
 *
 * @throws RangeError when it grows past `limit` bytes: a template can name a large member many times.
 */
export function renderTemplate(template: string, body: object, limit: number): string {
  return render(template, (path) => valueAt(body, path), limit)
}

function render(template: string, lookUp: (path: string) => unknown, limit: number): string {
  const parts: string[] = []
  let inString = false
  let from = 0
  let size = 0
  const add = (text: string) => {
    size += Buffer.byteLength(text)
    if (size > limit) throw new RangeError(`The template makes a body of more than ${limit} bytes`)
    parts.push(text)
  }
  for (const match of template.matchAll(placeholder)) {
    const before = template.slice(from, match.index)
    inString = endsInString(before, inString)
    add(before)
    const value = lookUp(match[1]!)
    add(inString ? asText(value) : (JSON.stringify(value) ?? 'null'))
    from = match.index + match[0].length
  }
  add(template.slice(from))
  return parts.join('')
}

function asText(value: unknown): string {
  if (value === undefined || value === null) return ''
  return JSON.stringify(typeof value === 'string' ? value : JSON.stringify(value)).slice(1, -1)
}

/** Own members only: `{{constructor.name}}` is nothing. */
function valueAt(body: object, path: string): unknown {
  let value: unknown = body
  for (const name of path.split('.')) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name)) return undefined
    value = (value as Record<string, unknown>)[name]
  }
  return value
}

function endsInString(text: string, inString: boolean): boolean {
  let inside = inString
  for (let index = 0; index < text.length; index++) {
    if (inside && text[index] === '\\') index++
    else if (text[index] === '"') inside = !inside
  }
  return inside
}
