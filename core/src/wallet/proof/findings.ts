const mostTold = 1000

/** What is off, line by line. Of one subject the first thousand are told and the rest counted, so that wrecked books fit into memory. */
export interface Findings {
  add(subject: string, line: string): void
  lines(): string[]
}

export function createFindings(): Findings {
  const subjects = new Map<string, { told: string[]; more: number }>()
  return {
    add(subject, line) {
      const findings = subjects.get(subject) ?? { told: [], more: 0 }
      subjects.set(subject, findings)
      if (findings.told.length < mostTold) findings.told.push(line)
      else findings.more++
    },
    lines: () =>
      [...subjects].flatMap(([subject, { told, more }]) =>
        more === 0 ? told : [...told, `and ${more} more of the ${subject}`],
      ),
  }
}
