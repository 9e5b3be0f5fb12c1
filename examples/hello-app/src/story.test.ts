import { expect, test } from 'vitest'
import { runStory } from './story.ts'

test('the whole life of the hello app happens as it is told', async () => {
  const lines: string[] = []
  await runStory((line) => lines.push(line))
  expect(lines.filter((line) => /^\d\. /.test(line))).toHaveLength(8)
  expect(lines.at(-1)).toContain('Every line above was checked')
})
