import type { Context } from './context.ts'
import { DatabaseProblem, isUniqueViolation } from './database/index.ts'

const name = 'secret-check'
const plain = 'This opens under the secret that sealed the rest.'

/**
 * Refuses to go on when this database was sealed under another secret: webhook secrets and secret settings would not open, one
 * by one and much later. The first host leaves a sealed text behind; every later one must be able to open it.
 */
export async function checkSecret({ db, secretBox }: Pick<Context, 'db' | 'secretBox'>): Promise<void> {
  const row = (await db('stoa_host').where({ name }).first()) as { value: string } | undefined
  if (!row) return leaveCheck(db, await secretBox.seal(plain, name))
  const opened = await secretBox.open(row.value, name).catch(() => null)
  if (opened === plain) return
  throw new DatabaseProblem(
    'This database was sealed under another secret. Start with that one, or put it into previousSecrets behind the new one.',
  )
}

async function leaveCheck(db: Context['db'], value: string): Promise<void> {
  try {
    await db('stoa_host').insert({ name, value })
  } catch (error) {
    if (!isUniqueViolation(error)) throw error // another host was faster
  }
}
