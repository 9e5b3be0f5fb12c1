/** What is wrong with one place. `field` is a dot path relative to what was checked; '' is the whole of it. */
export interface FieldProblem {
  field: string
  message: string
}

/**
 * The bounds that keep a stranger's schema, and settings checked against it, cheap on the main thread. Ajv trusts a schema
 * like code and offers none of these. Measured on two shared cores: a schema at the bounds compiles in about 0.1 s, and the
 * dearest settings they admit are checked in about a second, where a hostile one without them ran for ever.
 */
export const limits = {
  /** Bytes of the serialised schema. */
  schemaBytes: 64 * 1024,
  /** Containers inside containers, annotations included. */
  schemaJsonDepth: 64,
  /** Subschemas, unreferenced definitions included: compile time grows faster than linearly with them. */
  schemaNodes: 300,
  /** Subschemas inside subschemas, followed through `$ref`. */
  schemaDepth: 20,
  /** Subschemas after every `$ref` is written out, with long `required` and `enum` lists weighed in. */
  schemaCost: 5_000,
  enumValues: 500,
  uniqueMaxItems: 1_000,
  patternLength: 512,
  /** Instructions of one compiled pattern, and of all together: 512 characters can compile to 78 000. */
  patternSize: 2_000,
  patternSizeTotal: 10_000,
  settingsBytes: 64 * 1024,
  settingsDepth: 16,
  /** Bytes that defaults may add to one settings object: a default under `items` is added once per item. */
  defaultsBytes: 64 * 1024,
  /** Schema cost x settings weight (values + characters / 64) of one check. */
  checkWork: 200_000,
  /** Pattern instructions x characters of one pass over the settings; an instruction takes up to 0.3 us. */
  patternWork: 1_000_000,
  problems: 50,
} as const
