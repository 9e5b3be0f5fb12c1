import { html, type Html } from '../../http/index.ts'

export interface SignInPage {
  applicationName: string | null
  action: string
  ticket: string
  csrf: string
  email: string
  problem: string | null
}

export function signInPage({ applicationName, action, ticket, csrf, email, problem }: SignInPage): Html {
  return html`<h1>Sign in</h1>
    ${
      applicationName === null
        ? ''
        : html`<p>to decide what <strong>${applicationName}</strong> may do in your organization.</p>`
    }
    ${problem && html`<p class="notice wrong" role="alert">${problem}</p>`}
    <form method="post" action="${action}">
      <input type="hidden" name="ticket" value="${ticket}" />
      <input type="hidden" name="csrf" value="${csrf}" />
      <label class="field" for="email">E-mail address</label>
      <input id="email" type="email" name="email" value="${email}" autocomplete="username" required autofocus />
      <label class="field" for="password">Password</label>
      <input id="password" type="password" name="password" autocomplete="current-password" required />
      <div class="buttons"><button class="primary">Sign in</button></div>
    </form>`
}
