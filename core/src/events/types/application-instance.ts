import { stoaEvents } from '@stoa/sdk/contract'
import type { TSchema } from '../../kernel/index.ts'
import { exampleBase, exampleIds, exampleTime, type OwnType } from './own-type.ts'

const applicationUrl = `${exampleBase}/applications/${exampleIds.application}`
const instanceUrl = `${applicationUrl}/instances/${exampleIds.location}`

const application = {
  id: exampleIds.application,
  name: 'Weather',
  logoId: 'fil_01a1ff50919a7ee88951eddf34997d10',
  authorName: 'Zoe',
  authorLogoId: null,
  tagline: 'The weather on your pages',
  description: 'Shows the weather.',
  status: 'available',
  permissions: ['charges:write'],
  configurationUrl: null,
  configuredBy: 'user',
  createdTime: exampleTime,
  updatedTime: exampleTime,
  _links: [{ rel: 'self', href: applicationUrl }],
}
const place = {
  organizationId: exampleIds.organization,
  locationId: exampleIds.location,
  environment: 'production',
  applicationId: exampleIds.application,
}

/**
 * Rebilly's. They go to the publisher alone: the first carries a token, and the answer to either is taken for the
 * application's own, which acknowledges or has cleaned up by it.
 */
export const applicationInstanceTypes = {
  'application-instance-enabled': {
    version: 1,
    sentence: 'Somebody enabled your application; the body carries a token for the installation.',
    payload: stoaEvents['application-instance-enabled'] as TSchema,
    example: {
      ...place,
      eventType: 'application-instance-enabled',
      _embedded: {
        application,
        applicationInstance: {
          organizationId: exampleIds.organization,
          status: 'enabled',
          isConfigured: true,
          settings: { city: 'Athens' },
          token: 'the installation’s token, which is good for one hour',
          createdTime: exampleTime,
          updatedTime: exampleTime,
          _links: [{ rel: 'self', href: instanceUrl }],
        },
      },
      _links: [
        { rel: 'application', href: applicationUrl },
        { rel: 'applicationInstance', href: instanceUrl },
      ],
    },
    audience: ['publisher'],
    permission: null,
    publishedBy: 'host',
  },
  'application-instance-disabled': {
    version: 1,
    sentence: 'Somebody disabled or removed your application.',
    payload: stoaEvents['application-instance-disabled'] as TSchema,
    example: {
      ...place,
      eventType: 'application-instance-disabled',
      _embedded: { application },
      _links: [{ rel: 'application', href: applicationUrl }],
    },
    audience: ['publisher'],
    permission: null,
    publishedBy: 'host',
  },
} satisfies Record<string, OwnType>
