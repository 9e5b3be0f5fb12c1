/** Prints a Markdown table, so that a run can be pasted where it is needed. */
export function printTable(header: string[], rows: string[][]): void {
  const line = (cells: string[]) => `| ${cells.join(' | ')} |`
  console.log([line(header), line(header.map(() => '---')), ...rows.map(line), ''].join('\n'))
}

export const count = (value: number) => Math.round(value).toLocaleString('en-US')
export const ms = (value: number) => value.toFixed(1)
export const ratio = (value: number, of: number) => `${Math.round((100 * value) / of)} %`
