import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { root } from '../support/run-stoa.ts'

export interface Snippet {
  language: string
  code: string
}

/** The fenced blocks of a page, in order. */
export async function snippetsOf(page: string): Promise<Snippet[]> {
  const text = await readFile(join(root, page), 'utf8')
  return [...text.matchAll(/^```(\w+)\n([\s\S]*?)^```$/gm)].map(([, language = '', code = '']) => ({ language, code }))
}

/** All blocks of one language as one program. */
export async function programOf(page: string, language: string): Promise<string> {
  const snippets = await snippetsOf(page)
  return snippets
    .filter((snippet) => snippet.language === language)
    .map(({ code }) => code)
    .join('\n')
}
