/** What can stand in a cell. Numbers are decimal text of ours; null is empty. */
export type Cell = string | number | null

/** Rows as CSV (RFC 4180) with a line of names, safe to open in a spreadsheet. */
export function toCsv(columns: string[], rows: Cell[][]): string {
  return [columns, ...rows].map((row) => `${row.map(cellText).join(',')}\r\n`).join('')
}

const decimal = /^-?\d+(\.\d+)?$/

function cellText(cell: Cell): string {
  const text = cell === null ? '' : String(cell)
  // Spreadsheets run what begins like this as a formula, wherever it came from; an apostrophe makes it text.
  const safe = /^[=+\-@\t\r\n]/.test(text) && !decimal.test(text) ? `'${text}` : text
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe
}
