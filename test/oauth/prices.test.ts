import { expect, it } from 'vitest'
import { eachDatabase } from '../support/databases.ts'
import { openOAuthWorld, pkce } from './world.ts'

eachDatabase((database) => {
  it('the consent page says in words what every kind of meter costs, and nothing of meters that charge nobody', async () => {
    const world = await openOAuthWorld(database)
    const browser = await world.signedIn()
    const app = await world.app()
    const meter = (body: object) =>
      world.call('POST', `/developers/applications/${app.id}/meters`, {
        token: world.world.publisher.apiKey,
        body: { unit: 'page', ...body },
      })
    const tiers = [
      { upTo: 100, price: '0.05' },
      { upTo: null, price: '0.03' },
    ]
    for (const body of [
      { name: 'A <b>', priceType: 'fixed', price: '0.05', freeUnits: 100 },
      { name: 'B', priceType: 'dynamic', minPrice: 1, maxPrice: 2 },
      { name: 'C', priceType: 'package', price: 5, packageSize: 1000 },
      { name: 'D', priceType: 'graduated', tiers },
      { name: 'E', priceType: 'percentage', rateBps: 250 },
      { name: 'Not yet', priceType: 'fixed', price: 7, status: 'test' },
      { name: 'No more', priceType: 'fixed', price: 8, status: 'inactive' },
    ]) {
      expect((await meter(body)).status).toBe(201)
    }
    const usual = { code_challenge: pkce().challenge, code_challenge_method: 'S256' }
    const { text } = await browser.open(world.authorizeUrl(app, usual))
    const [, table] = /<table class="prices">(.*?)<\/table>/s.exec(text)!
    const cells = [...table!.matchAll(/<td>(.*?)<\/td>/gs)].map(([, cell]) => cell)
    expect(cells).toEqual([
      'A &lt;b&gt;',
      '0.05 USD per page, the first 100 each month free',
      'B',
      '1 to 2 USD per page',
      'C',
      '5 USD for every 1000 × page begun in a month',
      'D',
      '0.05 USD per page up to 100 in a month, then 0.03 USD above',
      'E',
      '2.5 % of the amount of each page',
    ])
  })
})
