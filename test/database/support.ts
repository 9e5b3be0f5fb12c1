import { spawn } from 'node:child_process'
import { createRequire } from 'node:module'
import { afterAll } from 'vitest'
import { openDatabase, type Database, type Row } from '../../core/src/database/index.ts'
import { createEmptyPostgres, sqliteUrl, type TestDatabase } from '../support/databases.ts'

/** The URL of a database with nothing in it. */
export async function emptyUrl({ kind }: TestDatabase): Promise<string> {
  return kind === 'sqlite' ? sqliteUrl() : (await createEmptyPostgres()).url
}

/** Opens a database until the end of the test file. */
export async function open(url: string): Promise<Database> {
  const database = await openDatabase(url)
  afterAll(() => database.close())
  return database
}

/** Opens an empty database until the end of the test file. */
export const openEmpty = async (database: TestDatabase): Promise<Database> => open(await emptyUrl(database))

/** Everything in the schema, in words that can be compared. */
export async function schemaOf({ knex, dialect }: Database): Promise<string[]> {
  if (dialect.name === 'sqlite') {
    const rows = (await knex.raw('select name, sql from sqlite_master where sql is not null order by name')) as Row[]
    return rows.map(({ name, sql }) => `${String(name)}: ${String(sql)}`)
  }
  const query = `
    select table_name || '.' || column_name || ' ' || data_type || ' ' || is_nullable || ' ' || coalesce(column_default, '') as line
      from information_schema.columns where table_schema = 'public'
    union all select indexdef from pg_indexes where schemaname = 'public'
    union all select pg_get_triggerdef(oid) from pg_trigger where not tgisinternal
    union all select conrelid::regclass || ' ' || pg_get_constraintdef(oid) from pg_constraint where connamespace = 'public'::regnamespace
    order by 1`
  const { rows } = (await knex.raw(query)) as { rows: { line: string }[] }
  return rows.map(({ line }) => line)
}

const lockScript = `
  const Database = require(${JSON.stringify(createRequire(import.meta.url).resolve('better-sqlite3'))})
  const db = new Database(process.argv[1])
  db.exec('begin immediate')
  process.stdout.write('locked')
  process.stdin.on('end', () => {
    db.exec('commit')
    db.close()
  }).resume()`

/** Another process begins to write to a SQLite file and does not finish until it is told to. */
export async function lockFromAnotherProcess(filename: string): Promise<{ release(): Promise<void> }> {
  const child = spawn(process.execPath, ['-e', lockScript, filename], { stdio: ['pipe', 'pipe', 'inherit'] })
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  afterAll(() => void child.kill())
  await new Promise((resolve, reject) => {
    child.stdout.once('data', resolve)
    child.once('exit', () => reject(new Error('the other process could not lock the file')))
  })
  return {
    release() {
      child.stdin.end()
      return exited
    },
  }
}
