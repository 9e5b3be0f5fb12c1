import { Ajv } from 'ajv'
import addFormats from 'ajv-formats'
import { describe, expect, test } from 'vitest'
import { Application, stoaEvents, UserApplication } from './index.ts'

const ajv = new Ajv({ strict: true, allowUnionTypes: false })
addFormats.default(ajv)

/** What the host sends today, and the same from a version that this one knows nothing of. */
const application = {
  id: 'hello-world',
  name: 'Hello',
  logoId: 'file_1',
  authorName: 'Zoe',
  authorLogoId: null,
  tagline: 'Says hello',
  description: '# Hello',
  status: 'available',
  permissions: ['GetCustomer'],
  configurationUrl: null,
  configuredBy: 'user',
  properties: { type: 'object' },
  createdTime: '2025-11-21T17:00:00.000Z',
  updatedTime: '2025-11-21T17:00:00.000Z',
  _links: [{ rel: 'self', href: 'https://host.example/applications/hello-world' }],
}
const applicationInstance = {
  status: 'enabled',
  isConfigured: true,
  settings: { color: 'red', limit: 5 },
  organizationId: 'org_1',
  token: 'stoa_iat_1',
}
const common = { organizationId: 'org_1', applicationId: 'hello-world', _links: [{ rel: 'application', href: '/a' }] }
const enabled = {
  ...common,
  eventType: 'application-instance-enabled',
  _embedded: { application, applicationInstance },
}
const disabled = { ...common, eventType: 'application-instance-disabled', _embedded: { application } }

const isEnabled = ajv.compile(stoaEvents['application-instance-enabled'])
const isDisabled = ajv.compile(stoaEvents['application-instance-disabled'])

describe('payloads', () => {
  test('as Rebilly documents them are valid', () => {
    expect(isEnabled(enabled), JSON.stringify(isEnabled.errors)).toBe(true)
    expect(isDisabled(disabled), JSON.stringify(isDisabled.errors)).toBe(true)
  })

  test('with our own members are valid', () => {
    expect(isEnabled({ ...enabled, locationId: 'loc_1', environment: 'sandbox' })).toBe(true)
    expect(isEnabled({ ...enabled, environment: 'staging' })).toBe(false)
  })

  test('without anything that only the host sets are valid', () => {
    const { id: _id, status: _status, createdTime: _created, updatedTime: _updated, _links, ...written } = application
    expect(isEnabled({ ...enabled, _embedded: { application: written, applicationInstance: {} } })).toBe(true)
  })

  test('of a later version, with more members and another status, are valid', () => {
    const later = { ...application, status: 'archived', rating: 5 }
    const instance = { ...applicationInstance, status: 'paused', seats: 3 }
    expect(
      isEnabled({
        ...enabled,
        traceId: 'x',
        _embedded: { application: later, applicationInstance: instance, plan: {} },
      }),
    ).toBe(true)
  })

  test('of one event are not valid for the other', () => {
    expect(isEnabled(disabled)).toBe(false)
    expect(isDisabled(enabled)).toBe(false)
  })
})

test('an application needs what its author has to write', () => {
  expect(Application.required).toEqual(['name', 'logoId', 'authorName', 'tagline', 'description', 'permissions'])
  expect(ajv.validate(UserApplication, { ...application, _embedded: { applicationInstance } })).toBe(true)
})
