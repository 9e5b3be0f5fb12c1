import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'

const root = fileURLToPath(new URL('../../', import.meta.url))
const page = await readFile(join(root, 'docs/guides/delivery-conformance.md'), 'utf8')

/** `| no. | what | what happens | file | "test" |` */
const rows = [...page.matchAll(/^\| *(\d+) *\|(?:[^|]*\|){2} *([^| ]+) *\| *"(.+)" *\|$/gm)].map(
  ([, no = '', file = '', name = '']) => ({ no: Number(no), file, name }),
)

/** `- no: why not`, in a list below a table. */
const notCovered = [...page.matchAll(/^- (\d+): .{20}/gm)].map(([, no]) => Number(no))

/** The numbers of each section that must have a row, or a reason for having none; a new section is added here. */
const sections: Record<string, [first: number, last: number]> = {
  'A. On the wire': [1, 10],
  'B. Receivers': [11, 36],
  'C. Addresses': [37, 48],
  'D. Durability': [49, 59],
  'E. Isolation and fairness': [60, 69],
  'F. The API': [70, 80],
}

const escape = (text: string) => text.replaceAll(/[$()*+.?[\]\\^{|}]/g, String.raw`\$&`)

describe('the page on what deliveries withstand', () => {
  test('has no row that this test cannot read', () => {
    expect(rows).toHaveLength(page.match(/^\| *\d/gm)?.length ?? 0)
  })

  test.each(Object.entries(sections))('tells of every number of section %s', (title, [first, last]) => {
    expect(page).toContain(`## ${title}\n`)
    const told = [...rows.map((row) => row.no), ...notCovered]
    for (let no = first; no <= last; no++) expect(told).toContain(no)
  })

  test.each([...new Set(rows.map(({ file }) => file))])('names tests that exist in %s', async (file) => {
    const text = await readFile(join(root, file), 'utf8')
    for (const { name } of rows.filter((row) => row.file === file)) {
      expect(text).toMatch(new RegExp(`[(]\\s*(['"\`])${escape(name)}\\1,`))
    }
  })
})
