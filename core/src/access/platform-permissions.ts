import { permission, type Permission, type Role } from '../http/index.ts'

// The names that applications of Rebilly's and ClientXCMS's ecosystems ask for. They are known before the resources they open
// are served, so that such an application can be registered and reviewed; which exist on a platform is the embedder's choice.
const readers: Role[] = ['owner', 'admin', 'author', 'member']
const writers: Role[] = ['owner', 'admin']

const resources: [resource: string, people: string, singular: string][] = [
  ['customers', 'customers', 'Customer'],
  ['invoices', 'invoices', 'Invoice'],
  ['plans', 'plans', 'Plan'],
  ['products', 'products', 'Product'],
  ['subscriptions', 'subscriptions', 'Subscription'],
  ['transactions', 'transactions', 'Transaction'],
  ['websites', 'websites', 'Website'],
  ['orders', 'orders', 'Order'],
  ['groups', 'product groups', 'ProductGroup'],
  ['pricings', 'prices', 'Pricing'],
  ['services', 'services', 'Service'],
]

const read = (name: string, sentence: string, aliases: string[]) =>
  permission(name, sentence, { roles: readers, applications: true, aliases })
const write = (name: string, sentence: string, aliases: string[]) =>
  permission(name, sentence, { roles: writers, applications: true, risk: 'high', aliases })

export const platformPermissions: Permission[] = [
  ...resources.flatMap(([resource, people, singular]) => [
    read(`${resource}:index`, `list ${people}`, [`Get${singular}Collection`]),
    read(`${resource}:show`, `read single ${people}`, [`Get${singular}`]),
    write(`${resource}:store`, `create ${people}`, [`Post${singular}`, `${resource}:create`]),
    write(`${resource}:update`, `change ${people}`, [`Put${singular}`]),
    write(`${resource}:delete`, `delete ${people}`, [`Delete${singular}`]),
  ]),
  write('coupons:store', 'create coupons', ['PostCoupon', 'coupons:create']),
  write('coupons:update', 'change coupons', ['PutCoupon']),
  write('coupons:redeem', 'redeem coupons', ['PostCouponRedemption']),
  write('payouts:store', 'pay money out', ['PostPayout']),
  write('gateway-accounts:downtime', 'schedule downtimes of payment gateways', ['PostGatewayAccountDowntimeSchedule']),
  write('service-credentials:store', 'store credentials for other services', [
    'PostServiceCredential',
    'PostWebhookCredentialHash',
  ]),
  read('merchant-webhooks:show', 'read webhooks', ['GetWebhook']),
  write('merchant-webhooks:store', 'create webhooks', ['PostWebhook']),
  write('merchant-webhooks:update', 'change webhooks', ['PutWebhook']),
]
