import { createHash } from 'node:crypto'
import { LRUCache } from 'lru-cache'
import { type CompiledSettings, compileSettings } from './compile-settings.ts'

export interface CachedSettings extends CompiledSettings {
  /** Of the schema's text: the same for the same schema, also in another process. */
  fingerprint: string
}

export interface SettingsCompiler {
  /**
   * The compiled form of a vetted schema, from the cache when one with the same text was compiled before.
   *
   * @throws Error when the schema would not pass vetSettingsSchema.
   */
  compile(schema: object): CachedSettings
}

/** @param cacheSize how many compiled schemas to keep; the least recently used goes first */
export function createSettingsCompiler({ cacheSize }: { cacheSize: number }): SettingsCompiler {
  const cache = new LRUCache<string, CachedSettings>({ max: cacheSize })
  return {
    compile: (schema) => {
      const text = JSON.stringify(schema)
      const fingerprint = createHash('sha256').update(text).digest('base64')
      const cached = cache.get(fingerprint)
      if (cached) return cached
      // From the text, not from the object: a caller that changes the object later must not change what is cached.
      const compiled = { ...compileSettings(JSON.parse(text) as object), fingerprint }
      cache.set(fingerprint, compiled)
      return compiled
    },
  }
}
