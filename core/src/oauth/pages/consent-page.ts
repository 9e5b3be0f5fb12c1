import type { Location, Organization } from '../../accounts/index.ts'
import type { Application, Price } from '../../applications/index.ts'
import type { Environment } from '../../context.ts'
import { html, type Html, type Permission } from '../../http/index.ts'
import type { Plan } from '../../wallet/index.ts'
import type { Person } from '../browser.ts'
import { permissionList } from './permission-list.ts'
import { planChoice } from './plan-choice.ts'
import { priceList } from './price-list.ts'

export interface ConsentPage {
  person: Person
  /** Null when the embedder signs people in and out. */
  signOut: Html | null
  application: Application
  publisherName: string
  logoUrl: string | null
  organization: Organization
  otherOrganizations: boolean
  environment: Environment
  required: Permission[]
  optional: Permission[]
  /** Optional ones that were granted before; they are taken back where the installation is managed. */
  granted: Permission[]
  /** Optional permissions that are ticked. */
  chosen: ReadonlySet<string>
  prices: Price[]
  /** What can be chosen where it is not installed yet, and what was. */
  plans: Plan[]
  planId: string | null
  /** What it is installed on. */
  places: 'organization' | 'locations' | 'either'
  locations: { items: Location[]; total: number; search: string; chosen: ReadonlySet<string> }
  /** What the person lacks to allow this, in sentences. */
  lacking: string[]
  problem: string | null
  urls: { consent: string; chooseOrganization: string }
  hidden: { ticket: string; csrf: string; organization: string; version: number }
}

/** The page on which a person decides: who asks, where it goes, what it may do, what it costs. */
export function consentPage(page: ConsentPage): Html {
  const { application, organization, person, lacking, urls, hidden } = page
  return html`<div class="app">
      ${page.logoUrl && html`<img src="${page.logoUrl}" alt="" />`}
      <div>
        <h1>${application.name} wants to work for ${organization.name}</h1>
        <p class="faint">
          By ${application.authorName ?? page.publisherName}
          (${page.publisherName})${application.status === 'available' ? '' : ', not reviewed by this platform'}
        </p>
      </div>
    </div>
    ${page.environment === 'sandbox' ? html`<p class="notice">This is about the sandbox, not about real data.</p>` : ''}
    <p class="faint">
      Signed in as ${person.name} (${person.email}).
      ${page.otherOrganizations ? html`<a href="${urls.chooseOrganization}">Another organization</a>.` : ''}
    </p>
    ${page.signOut} ${page.problem && html`<p class="notice wrong" role="alert">${page.problem}</p>`}
    ${searchForm(page)}
    <form method="post" action="${urls.consent}">
      <input type="hidden" name="ticket" value="${hidden.ticket}" />
      <input type="hidden" name="csrf" value="${hidden.csrf}" />
      <input type="hidden" name="organization" value="${hidden.organization}" />
      <input type="hidden" name="version" value="${hidden.version}" />
      ${placesPart(page)}
      <section aria-label="What it may do">
        <h2 class="part">It will be able to</h2>
        ${page.required.length === 0 ? html`<p class="faint">Nothing that needs a permission.</p>` : permissionList(page.required)}
      </section>
      ${
        page.optional.length > 0 &&
        html`<fieldset>
          <legend>You choose whether it may also</legend>
          ${permissionList(page.optional, ({ name }) => page.chosen.has(name))}
        </fieldset>`
      }
      ${
        page.granted.length > 0 &&
        html`<section aria-label="What you allowed before">
          <h2 class="part">You allowed before, and it stays</h2>
          ${permissionList(page.granted)}
        </section>`
      }
      <section aria-label="What it costs">
        <h2 class="part">What it costs</h2>
        ${planChoice(page)} ${page.prices.length > 0 || page.plans.length === 0 ? priceList(page.prices) : ''}
      </section>
      ${
        lacking.length > 0 &&
        html`<p class="notice wrong" role="alert">
          You cannot allow this, because you may not do it yourself: ${lacking.join('; ')}. Ask an owner of
          ${organization.name}.
        </p>`
      }
      <div class="buttons">
        ${lacking.length === 0 && html`<button class="primary" name="decision" value="allow">Allow</button>`}
        <button name="decision" value="cancel" formnovalidate>Cancel</button>
      </div>
      <p class="faint">You can take it out again at any time; its access then ends at once.</p>
    </form>`
}

/** A form of its own, because forms cannot nest; it asks for the page again with what was searched for. */
function searchForm({ places, locations, urls, hidden }: ConsentPage): Html | '' {
  if (places === 'organization' || (locations.total <= locations.items.length && locations.search === '')) return ''
  return html`<form method="get" action="${urls.consent}" role="search">
    <input type="hidden" name="ticket" value="${hidden.ticket}" />
    <input type="hidden" name="organization" value="${hidden.organization}" />
    <label class="field" for="q">Find locations by name</label>
    <input id="q" type="search" name="q" value="${locations.search}" />
    <button>Find</button>
  </form>`
}

function placesPart({ places, locations, organization }: ConsentPage): Html {
  if (places === 'organization') return html`<input type="hidden" name="target" value="organization" />`
  const radio = (value: string, text: string, checked: boolean) =>
    html`<label>
      <input type="radio" name="target" value="${value}" required ${checked ? html`checked` : ''} /> ${text}
    </label>`
  const { items, total, chosen } = locations
  return html`<fieldset>
    <legend>Where it works</legend>
    ${places === 'either' ? radio('organization', `For ${organization.name} as a whole`, false) : ''}
    ${radio('locations', 'In these locations', places === 'locations' || chosen.size > 0)}
    <div class="scroll">
      ${items.length === 0 && html`<p class="faint">There are none.</p>`}
      ${items.map(
        ({ id, name }) =>
          html`<label>
            <input type="checkbox" name="location" value="${id}" ${chosen.has(id) ? html`checked` : ''} /> ${name}
          </label>`,
      )}
    </div>
    ${total > items.length && html`<p class="faint">These are ${items.length} of ${total}.</p>`}
    ${radio('all', 'In all locations', false)}
    <label><input type="checkbox" name="future" value="yes" /> Also in locations that are added later</label>
  </fieldset>`
}
