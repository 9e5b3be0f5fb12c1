import type { Price } from '../../applications/index.ts'
import { html, type Html } from '../../http/index.ts'

/** What it costs, by the unit. */
export function priceList(prices: Price[]): Html {
  if (prices.length === 0) return html`<p class="faint">It has no prices yet.</p>`
  return html`<table class="prices">
      ${prices.map(
        (price) =>
          html`<tr>
            <td>${price.name}</td>
            <td>${priceText(price)}</td>
          </tr>`,
      )}
    </table>
    <p class="faint">Taken from the wallet of wherever it works.</p>`
}

function priceText({ pricePerUnit, minPricePerUnit, maxPricePerUnit, currency, unit }: Price): string {
  const amount = pricePerUnit ?? `${minPricePerUnit} to ${maxPricePerUnit}`
  return `${amount} ${currency} per ${unit}`
}
