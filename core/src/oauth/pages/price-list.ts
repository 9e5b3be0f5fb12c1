import type { Price } from '../../applications/index.ts'
import { html, type Html } from '../../http/index.ts'

/** What it costs, in words. */
export function priceList(prices: Price[]): Html {
  if (prices.length === 0) return html`<p class="faint">It has no prices yet.</p>`
  return html`<table class="prices">
      ${prices.map(
        (price) =>
          html`<tr>
            <td>${price.name}</td>
            <td>${price.text}</td>
          </tr>`,
      )}
    </table>
    <p class="faint">Taken from the wallet of wherever it works.</p>`
}
