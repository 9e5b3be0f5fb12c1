import type { IncomingMessage, ServerResponse } from 'node:http'

/** Fits `app.get(path, ...)` of Express 4 and 5, and `http.createServer(...)`. Never rejects. */
export type AppHandler<Req extends IncomingMessage, Res extends ServerResponse> = (
  req: Req,
  res: Res,
  next?: (error?: unknown) => void,
) => void

/** Runs the work; what it throws goes to `next`, or ends in a page where there is none (plain node). */
export function handlerOf<Req extends IncomingMessage, Res extends ServerResponse>(
  work: (req: Req, res: Res) => Promise<void>,
): AppHandler<Req, Res> {
  return (req, res, next) => {
    work(req, res).catch((error: unknown) => {
      if (next) next(error)
      else sendPage(res, 500, 'Something went wrong', 'See the log of the app.')
    })
  }
}

/** The query of the request, under Express as well, which cuts `url` when it mounts. */
export function queryOf(req: IncomingMessage): URLSearchParams {
  return new URLSearchParams((req.url ?? '').split('?').slice(1).join('?'))
}

/** A small page that loads and reveals nothing. Nothing, when somebody else has answered. */
export function sendPage(res: ServerResponse, status: number, title: string, text: string): void {
  if (res.headersSent || res.writableEnded) return
  res.writeHead(status, {
    'content-type': 'text/html; charset=utf-8',
    'cache-control': 'no-store',
    'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
    'referrer-policy': 'no-referrer',
    'x-content-type-options': 'nosniff',
  })
  res.end(
    `<!doctype html><html lang="en"><meta name="viewport" content="width=device-width"><title>${escape(title)}</title>` +
      `<h1>${escape(title)}</h1><p>${escape(text)}</p></html>`,
  )
}

export function redirect(res: ServerResponse, status: 302 | 303, location: string): void {
  // The address of a callback has the code in it: it goes to nobody else.
  res.writeHead(status, { location, 'cache-control': 'no-store', 'referrer-policy': 'no-referrer' })
  res.end()
}

function escape(text: string): string {
  return text.replaceAll(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`)
}
