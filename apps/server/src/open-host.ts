import { createHost, type Host } from '@stoa/core'
import { pino, type Logger } from 'pino'
import type { Environment } from './environment.ts'

/** A host as the environment describes it, with its log on standard error: standard output belongs to the commands. */
export async function openHost(environment: Environment): Promise<{ host: Host; logger: Logger }> {
  const logger = pino(
    {
      level: environment.logLevel,
      base: undefined,
      redact: ['req.headers.authorization', '*.secret', '*.token', '*.password'],
    },
    pino.destination({ dest: 2, sync: false }),
  )
  const host = await createHost({ ...environment.options, database: environment.database, logger })
  return { host, logger }
}

/** Opens a host, does one thing with it and closes it again. */
export async function withHost<T>(environment: Environment, work: (host: Host) => Promise<T>): Promise<T> {
  const { host } = await openHost({ ...environment, logLevel: 'warn' })
  try {
    return await work(host)
  } finally {
    await host.stop()
  }
}
