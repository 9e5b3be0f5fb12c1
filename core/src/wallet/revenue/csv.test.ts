import { expect, it } from 'vitest'
import { toCsv } from './csv.ts'

it('quotes what would end a cell', () => {
  expect(
    toCsv(
      ['a', 'b'],
      [
        ['x,y', 'say "hi"'],
        ['two\r\nlines', null],
      ],
    ),
  ).toBe('a,b\r\n"x,y","say ""hi"""\r\n"two\r\nlines",\r\n')
})

it.each(['=1+1', '+1', '-1+2', '@SUM(A1)', '\t=1', '\r=1', '=HYPERLINK("http://x","y")'])(
  'makes text of %j, which a spreadsheet would run',
  (text) => {
    const cell = toCsv(['a'], [[text]]).slice('a\r\n'.length, -2)
    expect(cell.replace(/^"/, '').startsWith("'")).toBe(true)
  },
)

it('leaves negative amounts alone', () => {
  expect(toCsv(['a'], [['-0.5'], [-3], ['-1.25']])).toBe('a\r\n-0.5\r\n-3\r\n-1.25\r\n')
})
