import type { IncomingMessage, ServerResponse } from 'node:http'
import { sendPage } from './handler.ts'
import type { InstallError } from './install-error.ts'

/** Answers in place of the SDK's page. What it leaves unanswered gets the page after all. */
export type OnInstallError<Req, Res> = (error: InstallError, req: Req, res: Res) => unknown

export async function showError<Req extends IncomingMessage, Res extends ServerResponse>(
  onError: OnInstallError<Req, Res> | undefined,
  error: InstallError,
  req: Req,
  res: Res,
): Promise<void> {
  await onError?.(error, req, res)
  sendPage(res, error.status, 'Not installed', error.message)
}
