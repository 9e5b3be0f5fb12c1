import { hiddenFields, openBrowser, type Browser, type Page } from '../oauth/browser.ts'

export interface Credentials {
  email: string
  password: string
}

export interface Installing {
  user: Credentials
  /** What is chosen on the consent page; allowed unless it says otherwise. */
  form: Record<string, string | string[]>
  /** One in which the person may be signed in already. */
  browser?: Browser
}

/** Goes from the app's own install address over the host's pages back to the app, with nothing but what the pages say. */
export async function installByBrowser(
  start: string,
  { user, form, browser = openBrowser('http') }: Installing,
): Promise<Page> {
  let page = await browser.open(start)
  if (page.text.includes('name="password"')) page = await submit(browser, page, 'sign-in', { ...user })
  return submit(browser, page, 'consent', { decision: 'allow', ...form })
}

/** Fills the page's form in that leads to this path, sends it, and follows where it leads. */
async function submit(browser: Browser, page: Page, path: string, form: Record<string, string | string[]>) {
  const action = new URL(
    /<form method="post" action="([^"]+)"/.exec(page.text.slice(formAt(page, path)))![1]!,
    page.url,
  )
  const answer = await browser.post(action.href, { ...hiddenFields(page, `/oauth/${path}`), ...form })
  return answer.location === null ? answer : browser.open(new URL(answer.location, action).href)
}

function formAt({ text, url, status }: Page, path: string): number {
  const at = text.search(new RegExp(`<form method="post" action="[^"]*/oauth/${path}"`))
  if (at < 0) throw new Error(`${url} has no form to /oauth/${path} (${status}): ${text}`)
  return at
}
