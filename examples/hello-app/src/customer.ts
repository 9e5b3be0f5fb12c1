export interface Page {
  url: string
  status: number
  text: string
}

/**
 * A customer's browser, as far as the story needs one: it keeps cookies, follows redirects, and sends the one form of a page
 * that is posted, with what it holds already and with what the customer fills in.
 */
export function openBrowser() {
  const cookies = new Map<string, string>()

  async function open(url: string, form?: URLSearchParams): Promise<Page> {
    const response = await fetch(url, {
      redirect: 'manual',
      method: form ? 'POST' : 'GET',
      headers: { cookie: [...cookies].map((pair) => pair.join('=')).join('; ') },
      ...(form && { body: form }),
    })
    for (const line of response.headers.getSetCookie()) {
      const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(line) ?? []
      cookies.set(name, value)
    }
    const location = response.headers.get('location')
    if (location !== null) return open(new URL(location, url).href)
    return { url, status: response.status, text: await response.text() }
  }

  return {
    open: (url: string) => open(url),
    /** @throws when the page has no form to this path. */
    submit(page: Page, path: string, filled: Record<string, string>): Promise<Page> {
      const forms = page.text.split('<form').map((text) => ({ text, action: / action="([^"]+)"/.exec(text)?.[1] }))
      const form = forms.find(({ text, action }) => text.includes('method="post"') && action?.endsWith(path))
      if (!form?.action) throw new Error(`${page.url} has no form to ${path}: ${page.text}`)
      const hidden = form.text.matchAll(/<input type="hidden" name="([^"]+)" value="([^"]*)"/g)
      const given = Object.fromEntries([...hidden].map(([, name, value]) => [name, value]))
      return open(new URL(form.action, page.url).href, new URLSearchParams({ ...given, ...filled }))
    },
  }
}
