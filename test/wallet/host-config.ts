/** Also of the host processes that a test starts and kills, hence apart from everything that imports vitest. */
export const hostConfig = {
  secret: 'a secret of at least thirty-two characters',
  mode: 'development' as const,
  // Tests move the clock by weeks.
  tokens: { installationSeconds: 400 * 86_400 },
}
