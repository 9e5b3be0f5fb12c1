import { runStory } from './story.ts'

await runStory((line) => console.log(line))
