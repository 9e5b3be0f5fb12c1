import { html, type Html, type Permission } from '../../http/index.ts'

const groups = [
  ['high', 'With great effect'],
  ['medium', 'With some effect'],
  ['low', 'Looking only, or of little effect'],
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
            ? html`<li>${capital(permission.sentence)}</li>`
            : html`<li>
                <label>
                  <input
                    type="checkbox"
                    name="optional"
                    value="${permission.name}"
                    ${checkbox(permission) ? html`checked` : ''}
                  />
                  ${capital(permission.sentence)}
                </label>
              </li>`,
        )}
      </ul>`
  })}`
}

const capital = (sentence: string) => sentence.slice(0, 1).toUpperCase() + sentence.slice(1)
