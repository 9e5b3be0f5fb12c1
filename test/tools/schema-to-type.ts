type Schema = Record<string, unknown>

/** TypeScript text for a JSON schema of the OpenAPI document; `$ref` becomes the component's name. */
export function schemaToType(schema: Schema | undefined, indent = ''): string {
  if (!schema || Object.keys(schema).length === 0) return 'unknown'
  if (typeof schema.$ref === 'string') return schema.$ref.split('/').at(-1)!
  if ('const' in schema) return JSON.stringify(schema.const)
  if (Array.isArray(schema.enum)) return schema.enum.map((value) => JSON.stringify(value)).join(' | ')
  for (const [keyword, joint] of [
    ['anyOf', ' | '],
    ['oneOf', ' | '],
    ['allOf', ' & '],
  ] as const) {
    const parts = schema[keyword]
    if (Array.isArray(parts)) return `(${parts.map((part) => schemaToType(part as Schema, indent)).join(joint)})`
  }
  if (Array.isArray(schema.type))
    return schema.type.map((type: string) => schemaToType({ ...schema, type }, indent)).join(' | ')
  switch (schema.type) {
    case 'string':
      return schema.format === 'binary' ? 'Uint8Array' : 'string'
    case 'integer':
    case 'number':
      return 'number'
    case 'boolean':
    case 'null':
      return schema.type
    case 'array':
      return `Array<${schemaToType(schema.items as Schema, indent)}>`
    case 'object':
      return objectType(schema, indent)
    default:
      return 'unknown'
  }
}

function objectType(schema: Schema, indent: string): string {
  const properties = Object.entries((schema.properties ?? {}) as Record<string, Schema>)
  const pattern = Object.values((schema.patternProperties ?? {}) as Record<string, Schema>)[0]
  const rest =
    pattern ?? (typeof schema.additionalProperties === 'object' ? (schema.additionalProperties as Schema) : undefined)
  if (properties.length === 0) return `Record<string, ${schemaToType(rest, indent)}>`
  const required = new Set((schema.required ?? []) as string[])
  const inner = `${indent}  `
  const lines = properties.flatMap(([name, property]) => [
    ...(typeof property.description === 'string'
      ? [`${inner}/** ${property.description.replaceAll('*/', '*\\/')} */`]
      : []),
    `${inner}${/^[A-Za-z_$][\w$]*$/.test(name) ? name : JSON.stringify(name)}${required.has(name) ? '' : '?'}: ${schemaToType(property, inner)}`,
  ])
  return `{\n${lines.join('\n')}\n${indent}}`
}
