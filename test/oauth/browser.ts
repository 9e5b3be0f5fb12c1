/** A browser as far as the pages need one: it keeps cookies, follows no redirect by itself, and fills forms in. */
export interface Page {
  status: number
  url: string
  location: string | null
  headers: Headers
  text: string
}

export interface Browser {
  get(url: string): Promise<Page>
  post(url: string, form: Record<string, string | string[]>, headers?: Record<string, string>): Promise<Page>
  /** Gets, and follows redirects as long as they stay on this origin. */
  open(url: string): Promise<Page>
  cookies: Map<string, string>
}

export function openBrowser(origin: string): Browser {
  const cookies = new Map<string, string>()
  async function send(url: string, init: RequestInit = {}): Promise<Page> {
    const headers = new Headers(init.headers)
    if (cookies.size > 0) headers.set('Cookie', [...cookies].map((pair) => pair.join('=')).join('; '))
    const response = await fetch(url, { ...init, headers, redirect: 'manual' })
    for (const line of response.headers.getSetCookie()) {
      const [, name, value] = /^([^=]+)=([^;]*)/.exec(line)!
      if (/max-age=0/i.test(line)) cookies.delete(name!)
      else cookies.set(name!, value!)
    }
    const { status } = response
    return {
      status,
      url,
      location: response.headers.get('location'),
      headers: response.headers,
      text: await response.text(),
    }
  }
  const get = (url: string) => send(url)
  return {
    cookies,
    get,
    post(url, form, headers = {}) {
      const pairs = Object.entries(form).flatMap(([name, value]) =>
        [value].flat().map((each): [string, string] => [name, each]),
      )
      return send(url, { method: 'POST', body: new URLSearchParams(pairs), headers })
    },
    async open(url) {
      for (let next = url; ;) {
        const page = await get(next)
        if (page.location === null) return page
        next = new URL(page.location, next).href
        if (!next.startsWith(origin)) return page
      }
    },
  }
}

/** The hidden fields of the form on a page that leads to this address. */
export function hiddenFields(page: Page, action: string): Record<string, string> {
  const forms = page.text.split('<form').slice(1)
  const form = forms.find((each) => each.includes(`method="post"`) && each.includes(action)) ?? ''
  const fields = [...form.matchAll(/<input\s+type="hidden"\s+name="([^"]+)"\s+value="([^"]*)"/g)]
  return Object.fromEntries(fields.map(([, name, value]) => [name!, value!.replaceAll('&amp;', '&')]))
}
