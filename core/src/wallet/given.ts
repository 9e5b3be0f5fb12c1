/** A query parameter's text, or null when it is absent: HighLevel's clients send an absent one as the word `undefined`. */
export function given(value: string | number | undefined): string | null {
  return value === undefined || value === '' || value === 'undefined' || value === 'null' ? null : String(value)
}
