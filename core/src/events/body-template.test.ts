import fc from 'fast-check'
import { expect, test } from 'vitest'
import { checkTemplate, renderTemplate } from './body-template.ts'

const body = {
  organizationId: 'org_1',
  eventType: 'charge.created',
  data: { amount: '1.5', count: 3, none: null, list: ['a', { b: 'c' }], nasty: '","admin":true,"x":"\u2028\\' },
}
const render = (template: string) => renderTemplate(template, body, 100_000)

test.each([
  ['{"organizationId":"{{organizationId}}"}', { organizationId: 'org_1' }],
  ['{"a":"{{ data.amount }} of {{data.count}}"}', { a: '1.5 of 3' }],
  ['{"a":{{data.count}},"b":{{data.list}},"c":{{data.amount}}}', { a: 3, b: ['a', { b: 'c' }], c: '1.5' }],
  ['{"a":"{{data.list}}","b":"{{data.list.1.b}}"}', { a: '["a",{"b":"c"}]', b: 'c' }],
  ['{"a":"<{{unknown}}{{data.none}}{{data.amount.length}}>","b":{{unknown.deeper}}}', { a: '<>', b: null }],
  ['{"a":"{{constructor.name}}{{__proto__}}{{data.list.length}}"}', { a: '2' }],
  ['{"a":"\\"{{data.count}}\\\\","b":"{{data.count}}"}', { a: '"3\\', b: '3' }],
  ['{"{{data.amount}}":"{{ not a name }}"}', { '1.5': '{{ not a name }}' }],
  ['"{{data.nasty}}"', body.data.nasty],
])('%s', (template, expected) => {
  expect(checkTemplate(template)).toBeNull()
  expect(JSON.parse(render(template))).toEqual(expected)
})

test.each([
  '',
  'organization={{organizationId}}',
  '{"a":{{a}}{{b}}}',
  '{"a":1',
  '"\\{{a}}n"',
  '"\\u00{{a}}41"',
  '-{{a}}',
])('the template %j is refused, because it does not always make JSON', (template) =>
  expect(checkTemplate(template)).toContain('must be JSON'),
)

test('whatever the event holds, the body is JSON of the template’s own form', () => {
  const template = '{"text":"<{{value}}>","value":{{value}},"end":true}'
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      const made = JSON.parse(renderTemplate(template, { value }, Infinity)) as Record<string, unknown>
      expect(Object.keys(made)).toEqual(['text', 'value', 'end'])
      expect(JSON.stringify(made.value)).toBe(JSON.stringify(value))
      expect(made.text).toBe(`<${value === null ? '' : typeof value === 'string' ? value : JSON.stringify(value)}>`)
    }),
  )
})

test('a body does not grow past its limit, however often a template names a large member', () => {
  const large = { text: 'x'.repeat(1000) }
  expect(renderTemplate('"{{text}}{{text}}"', large, 2002)).toHaveLength(2002)
  expect(() => renderTemplate('"{{text}}{{text}}"', large, 2001)).toThrow(RangeError)
})
