import type { Config } from '../config.ts'

type PageConfig = Pick<Config, 'name' | 'baseUrl' | 'pages'>

/** Text that is HTML already. Anything else that is put into a template is escaped. */
export class Html {
  readonly text: string
  constructor(text: string) {
    this.text = text
  }
}

type Part = Html | string | number | null | undefined | false | Part[]

/** A template of HTML: what is put in is escaped, unless it is Html itself. Null, undefined and false are nothing. */
export function html(strings: TemplateStringsArray, ...parts: Part[]): Html {
  return new Html(strings.reduce((text, string, index) => text + string + renderPart(parts[index]), ''))
}

function renderPart(part: Part): string {
  if (part instanceof Html) return part.text
  if (Array.isArray(part)) return part.map(renderPart).join('')
  if (part === null || part === undefined || part === false) return ''
  return escapeHtml(String(part))
}

export function escapeHtml(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
    .replaceAll("'", '&#39;')
}

/** A whole page in the host's name and colours. It works without JavaScript: there is none. */
export function renderPage(config: PageConfig, page: { title: string; main: Html }): string {
  const { name, baseUrl, pages } = config
  return html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="referrer" content="no-referrer" />
        <title>${page.title} – ${name}</title>
        <link rel="stylesheet" href="${baseUrl}/oauth/pages.css" />
      </head>
      <body>
        <header>
          ${pages.logoUrl ? html`<img src="${pages.logoUrl}" alt="" height="32" />` : ''}
          <span>${name}</span>
        </header>
        <main>${page.main}</main>
      </body>
    </html> `.text
}

/**
 * Headers of every page: nothing is loaded from elsewhere but images, nobody frames it, and its forms lead to the host alone.
 * Not where a form is answered by leaving for an application (`leaves`): browsers apply `form-action` to every redirect that
 * follows, and where the application leads to from its callback nobody can know.
 */
export function pageHeaders({ baseUrl, pages }: PageConfig, { leaves }: { leaves: boolean }): Record<string, string> {
  const images = ["'self'", ...(pages.logoUrl ? [new URL(pages.logoUrl).origin] : [])]
  const policy = [
    "default-src 'none'",
    "style-src 'self'",
    `img-src ${images.join(' ')}`,
    ...(leaves ? [] : ["form-action 'self'"]),
    "frame-ancestors 'none'",
    "base-uri 'none'",
    ...(baseUrl.startsWith('https:') ? ['upgrade-insecure-requests'] : []),
  ]
  return {
    'Content-Type': 'text/html; charset=utf-8',
    'Content-Security-Policy': policy.join('; '),
    'X-Frame-Options': 'DENY',
    'Referrer-Policy': 'no-referrer',
    // Applications open the consent page in a window of its own, and hear from their callback there: same-origin would cut that.
    'Cross-Origin-Opener-Policy': 'unsafe-none',
    'Cross-Origin-Resource-Policy': 'same-origin',
    'Cache-Control': 'no-store',
  }
}
