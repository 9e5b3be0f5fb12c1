import { eventCatalogue } from '@stoa/core'
import { describe, expect, it, test } from 'vitest'
import { bodyOf, webhookIdOf, type EventHooks, type EventText } from '../../core/src/events/index.ts'

const now = new Date('2026-03-01T12:00:00.000Z')
const hooks: EventHooks = { enrich: {}, delivered: {}, exhausted: {}, highLevel: {} }
const none = { db: null as never, eventHooks: hooks }

const textOf = (payload: object, event: Partial<EventText> = {}): EventText => ({
  id: 'evt_01a1ff50919a7ee88951eddf34997d03',
  type: 'order.created',
  publisherId: null,
  applicationId: null,
  organizationId: 'org_1',
  locationId: null,
  environment: 'sandbox',
  test: false,
  traceParent: null,
  payloadText: JSON.stringify(payload),
  highLevel: null,
  createdTime: now.toISOString(),
  ...event,
})

describe('the body of an event', () => {
  it('is the stored text, byte for byte, in the format standard', async () => {
    const payloadText = ' { "b" : 1e400, "a":\t12345678901234567890 }\n'
    expect(await bodyOf(none, 'standard', textOf({}, { payloadText }), now)).toBe(payloadText)
  })

  it('has what it tells beside Rebilly’s outside, which wins', async () => {
    const data = {
      orderId: 'o',
      environment: 'production',
      eventType: 'lies',
      _links: ['lies'],
      organizationId: 'org_2',
    }
    const event = textOf(
      { type: 'order.created', timestamp: 't', data },
      { applicationId: 'app_1', locationId: 'loc_1' },
    )
    expect(await bodyOf(none, 'rebilly', event, now)).toBe(
      JSON.stringify({
        organizationId: 'org_1',
        applicationId: 'app_1',
        eventType: 'order.created',
        locationId: 'loc_1',
        environment: 'sandbox',
        orderId: 'o',
        _links: [],
      }),
    )
    const bare = JSON.parse(await bodyOf(none, 'rebilly', textOf({ type: 'order.created' }), now)) as object
    expect(Object.keys(bare)).toEqual(['organizationId', 'eventType', 'environment', '_links'])
  })

  test.each(['application-instance-enabled', 'application-instance-disabled'] as const)(
    'is as stored for %s, which is Rebilly’s already',
    async (type) => {
      const { example } = eventCatalogue[type]
      expect(await bodyOf(none, 'rebilly', textOf(example, { type }), now)).toBe(JSON.stringify(example))
    },
  )

  it('gets what belongs to the moment, in both of our formats, unless it is a test', async () => {
    const type = 'application-instance-enabled'
    const enrich = { [type]: () => Promise.resolve({ token: 'live' }) }
    const ctx = { ...none, eventHooks: { ...hooks, enrich } }
    for (const format of ['standard', 'rebilly'] as const) {
      expect(await bodyOf(ctx, format, textOf({ a: 1 }, { type }), now)).toBe('{"token":"live"}')
      expect(await bodyOf(ctx, format, textOf({ a: 1 }, { type, test: true }), now)).toBe('{"a":1}')
    }
  })

  it('is HighLevel’s with the time of the try', async () => {
    const event = textOf({}, { highLevel: { type: 'UNINSTALL', appId: 'app_1' } })
    const webhookId = webhookIdOf(event.id)
    expect(await bodyOf(none, 'highlevel', event, now)).toBe(
      JSON.stringify({ type: 'UNINSTALL', appId: 'app_1', timestamp: now.toISOString(), webhookId }),
    )
  })
})
