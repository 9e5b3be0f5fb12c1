import { invalidField } from '../../kernel/index.ts'
import type { PriceType } from './price.ts'

/** HighLevel's kinds of what is metered. */
export const productTypes = ['custom', 'conversation_provider', 'workflow_action', 'workflow_trigger'] as const
export const directions = ['inbound', 'outbound'] as const

/** What is metered. All but its name and the page never changes. */
export interface Product {
  productType: (typeof productTypes)[number]
  /** The application's own id of it. */
  productId: string | null
  productName: string | null
  /** Of conversation providers. */
  direction: (typeof directions)[number] | null
  /** Where people read what a dynamic price comes to. */
  pricingPageUrl: string | null
}

/** Throws `validation_failed` with the field for what HighLevel's manifests refuse. */
export function checkProduct(product: Product, priceType: PriceType): void {
  const { productType, productId, direction, pricingPageUrl } = product
  const bringsPrice = priceType === 'dynamic' || priceType === 'percentage'
  if (bringsPrice && productType !== 'custom') {
    throw invalidField(
      'priceType',
      `can be ${priceType} for custom products only: only there a charge brings its price`,
    )
  }
  if (productType !== 'custom' && productId === null) {
    throw invalidField('productId', `is required: it names the ${productType.replaceAll('_', ' ')}`)
  }
  if (direction !== null && productType !== 'conversation_provider') {
    throw invalidField('direction', 'belongs to conversation providers')
  }
  if (pricingPageUrl === null) return
  if (priceType !== 'dynamic') throw invalidField('pricingPageUrl', 'belongs to dynamic meters')
  if (!isPublicPage(pricingPageUrl))
    throw invalidField('pricingPageUrl', 'must be an https address without a user name')
}

function isPublicPage(text: string): boolean {
  // What URL() would repair, such as spaces, is not what the author sees.
  if (!/^https:\/\/[^\s\\]+$/i.test(text) || !URL.canParse(text)) return false
  const { username, password } = new URL(text)
  return username === '' && password === ''
}
