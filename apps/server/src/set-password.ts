import { randomBytes } from 'node:crypto'
import type { Environment } from './environment.ts'
import { withHost } from './open-host.ts'

/** `stoa set-password`: prints a new password. It is made here, because one on the command line would stay in the history. */
export async function setPassword(environment: Environment, email: string): Promise<void> {
  await withHost(environment, async ({ services }) => {
    const user = await services.findUserByEmail(email)
    if (!user) throw Object.assign(new Error(`There is no account for ${email}.`), { code: 'usage' })
    const password = randomBytes(12).toString('base64url')
    await services.setPassword(user.id, password)
    console.log(`Password of ${user.email}: ${password}`)
  })
}
