import { html, type Html, type Permission } from '../../http/index.ts'
import { permissionList } from './permission-list.ts'

/** What a new version of an installed application asks for beyond what was granted. */
export function accessPage(page: {
  applicationName: string
  placeName: string
  granted: Permission[]
  pending: Permission[]
  problem: string | null
  action: string
  hidden: { ticket: string; csrf: string; version: number }
}): Html {
  const { hidden } = page
  return html`<h1>${page.applicationName} asks for more at ${page.placeName}</h1>
    ${page.problem && html`<p class="notice wrong" role="alert">${page.problem}</p>`}
    ${
      page.pending.length === 0
        ? html`<p class="notice">Nothing waits for a decision any more; you can close this page.</p>`
        : html`<h2 class="part">It would also be able to</h2>
            ${permissionList(page.pending)}
            <form method="post" action="${page.action}">
              <input type="hidden" name="ticket" value="${hidden.ticket}" />
              <input type="hidden" name="csrf" value="${hidden.csrf}" />
              <input type="hidden" name="version" value="${hidden.version}" />
              <div class="buttons">
                <button class="primary" name="decision" value="allow">Allow</button>
                <button name="decision" value="refuse">Refuse</button>
              </div>
              <p class="faint">If you refuse, it goes on as it is.</p>
            </form>`
    }
    <section aria-label="What it may do now">
      <h2 class="part">It may do now</h2>
      ${permissionList(page.granted)}
    </section>`
}
