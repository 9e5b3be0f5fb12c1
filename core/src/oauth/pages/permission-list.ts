import { html, type Html, type Permission } from '../../http/index.ts'

const groups = [
  ['high', 'High risk'],
  ['medium', 'Medium risk'],
  ['low', 'Low risk'],
] as const

/** Permissions in sentences, the weightiest first. With `checkbox` each can be left out. */
export function permissionList(permissions: Permission[], checkbox?: (permission: Permission) => boolean): Html {
  return html`${groups.map(([risk, heading]) => {
    const those = permissions.filter((permission) => permission.risk === risk)
    if (those.length === 0) return ''
    return html`<h3 class="${risk}">${heading}</h3>
      <ul>
        ${those.map((permission) =>
          checkbox === undefined
            ? html`<li>${capital(permission.ofApplications)}</li>`
            : html`<li>
                <label>
                  <input
                    type="checkbox"
                    name="optional"
                    value="${permission.name}"
                    ${checkbox(permission) ? html`checked` : ''}
                  />
                  ${capital(permission.ofApplications)}
                </label>
              </li>`,
        )}
      </ul>`
  })}`
}

const capital = (sentence: string) => sentence.slice(0, 1).toUpperCase() + sentence.slice(1)
