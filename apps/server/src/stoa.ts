#!/usr/bin/env node
import { Command } from 'commander'
import { DatabaseProblem, migrateDatabase, StoaError, version } from '@stoa/core'
import { createKey, type KeyOptions } from './create-key.ts'
import { examine } from './doctor.ts'
import { EnvironmentProblem, readEnvironment, variables } from './environment.ts'
import { checkLedger, exportJournal, replayJournal, type CheckOptions } from './ledger.ts'
import { listen, type ListenOptions } from './listen.ts'
import { CommandProblem } from './reach-host.ts'
import { seed } from './seed.ts'
import { serve } from './serve.ts'
import { setPassword } from './set-password.ts'
import { trigger, type TriggerOptions } from './trigger.ts'

const program = new Command('stoa').description('A marketplace app host').version(version).showHelpAfterError()
program.addHelpText(
  'after',
  `\nEnvironment:\n${variables.map(([name, value, text]) => `  ${name.padEnd(18)} ${text} Default: ${value || 'none'}`).join('\n')}`,
)

program
  .command('serve')
  .description('migrate the database and serve')
  .action(() => serve(readEnvironment(process.env)))

program
  .command('migrate')
  .description('bring the database up to date')
  .action(async () => {
    const applied = await migrateDatabase(readEnvironment(process.env).database)
    console.log(applied.length > 0 ? `Applied: ${applied.join(', ')}` : 'The database is up to date.')
  })

program
  .command('seed')
  .description('make a demo world: a platform, a publisher with an application, a merchant with two funded locations')
  .option('--json', 'print nothing but one JSON object')
  .action((options: { json?: boolean }) => seed(readEnvironment(process.env), options))

program
  .command('doctor')
  .description('check configuration, database, migrations, clock and write access, and say what to do')
  .option('--json', 'print the findings as JSON')
  .action(async (options: { json?: boolean }) => {
    const findings = await examine(process.env)
    if (options.json) console.log(JSON.stringify(findings, null, 2))
    else for (const { check, ok, text } of findings) console.log(`${ok ? 'ok  ' : 'FAIL'} ${check.padEnd(15)} ${text}`)
    if (findings.some(({ ok }) => !ok)) process.exitCode = 1
  })

program
  .command('api-key')
  .description('API keys')
  .command('create')
  .description(
    'create an API key for a person’s organization; an unknown e-mail address gets an account and an organization',
  )
  .argument('<name>', 'what the key is for')
  .argument('<email>', 'whose key it is')
  .option('--permissions <names>', 'comma-separated permission names, resource:* or *', '*')
  .option('--environment <environment>', 'production or sandbox', 'production')
  .option('--organization <id>', 'one of the person’s organizations instead of the first')
  .option('--operator', 'make the person an operator of the platform')
  .action((name: string, email: string, options: KeyOptions) =>
    createKey(readEnvironment(process.env), name, email, options),
  )

program
  .command('set-password')
  .description('give an account a new password, which is printed, and end its sessions')
  .argument('<email>', 'whose account')
  .action((email: string) => setPassword(readEnvironment(process.env), email))

const ledger = program.command('ledger').description('prove what wallets hold; hosts may go on charging meanwhile')

ledger
  .command('check')
  .description('recompute every balance, chain, hash and sum, and print what is off; ends with 1 when something is')
  .option('--json', 'print the report as JSON')
  .option('--heads <file>', 'write the version and hash of every chain; keep it where nobody can change it')
  .option('--against <file>', 'prove that all of an earlier file is still in its chains')
  .option('--retention-days <days>', 'how long the hosts keep events (webhooks.retentionDays); 0 compares none', '90')
  .action((options: CheckOptions) => checkLedger(readEnvironment(process.env), options))

ledger
  .command('export')
  .description('print the journal as NDJSON: accounts, then transactions with their entries')
  .option('--after <id>', 'only transactions after this one')
  .action((options: { after?: string }) => exportJournal(readEnvironment(process.env), options))

ledger
  .command('replay')
  .description('make the ledger again from an exported journal alone, and compare; ends with 1 when something differs')
  .argument('<file>', 'what stoa ledger export printed; - for standard input')
  .option('--database <url>', 'in this database, which must have no ledger, instead of in memory')
  .option('--json', 'print the result as JSON')
  .action((file: string, options: { database?: string; json?: boolean }) => replayJournal(file, options))

/** Options of the commands that speak to a running host, which need not be this machine's. Help shows no default: a key is one. */
const ofHost = (command: Command) =>
  command
    .option(
      '--host-url <url>',
      'where the host is; without it STOA_BASE_URL, or else http://localhost:4000',
      process.env.STOA_BASE_URL ?? 'http://localhost:4000',
    )
    .option('--api-key <key>', 'an API key; without it STOA_API_KEY', process.env.STOA_API_KEY)
    .configureHelp({ optionDescription: ({ description }) => description })

ofHost(program.command('listen'))
  .description('receive events on this machine, without a public address, for as long as the command runs')
  .option('--forward-to <url>', 'send them on to this address, such as http://localhost:3000/webhooks')
  .option('--types <types>', 'comma-separated event types and patterns, such as charge.*', '*')
  .option('--application <id>', 'only events of this application')
  .option('--keep', 'leave the endpoint, with what waits for it, behind')
  .option('--json', 'print one JSON object per line')
  .action((options: ListenOptions) => listen(options))

ofHost(program.command('trigger'))
  .description('send an example of an event to whoever would get a real one')
  .argument('<type>', 'such as charge.created')
  .option('--endpoint <id>', 'to this endpoint alone')
  .option('--application <id>', 'as an event of this application')
  .action((type: string, options: TriggerOptions) => trigger(type, options))

// Whoever reads only the beginning, as `head` does, has all they wanted.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit()
  throw error
})

try {
  await program.parseAsync()
} catch (error) {
  // What a person can mend is told in a sentence; what has neither a code nor one of our names is a bug and keeps its stack.
  const expected =
    error instanceof CommandProblem ||
    error instanceof EnvironmentProblem ||
    error instanceof StoaError ||
    error instanceof DatabaseProblem
  const coded = (error as { code?: unknown }).code !== undefined
  console.error(expected || coded ? `stoa: ${(error as Error).message}` : error)
  process.exitCode = 1
}
