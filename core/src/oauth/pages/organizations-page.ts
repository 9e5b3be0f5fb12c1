import { html, type Html } from '../../http/index.ts'

/** The choice of an organization, for somebody who may install in several. */
export function organizationsPage(page: {
  applicationName: string
  organizations: { name: string; url: string }[]
}): Html {
  return html`<h1>For which organization is ${page.applicationName}?</h1>
    <ul>
      ${page.organizations.map(({ name, url }) => html`<li><a href="${url}">${name}</a></li>`)}
    </ul>`
}
