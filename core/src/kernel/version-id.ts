/**
 * The text that HighLevel's bodies name a version of an application by: it has no numbers there, so theirs become an opaque,
 * stable text. The same in token answers and webhooks, which an author compares.
 */
export function versionIdOf(applicationId: string, version: number): string {
  return `${applicationId}.${version}`
}
