import { Type, type Static } from 'typebox'
import { Application, Link, OwnerApplicationInstance } from './application.ts'

/**
 * What the host tells an application, in Rebilly's shape. `organizationId` is the organization that installed the
 * application, not the one that owns it. `locationId` and `environment` are Stoa's own.
 */
const members = {
  organizationId: Type.String({ maxLength: 50 }),
  applicationId: Type.String({ maxLength: 50 }),
  locationId: Type.Optional(Type.String({ maxLength: 50, description: 'Set when a location is the target' })),
  environment: Type.Optional(Type.Union([Type.Literal('production'), Type.Literal('sandbox')])),
}

export type ApplicationInstanceEnabled = Static<typeof ApplicationInstanceEnabled>
export const ApplicationInstanceEnabled = Type.Object(
  {
    ...members,
    eventType: Type.Literal('application-instance-enabled'),
    _embedded: Type.Object({ application: Application, applicationInstance: OwnerApplicationInstance }),
    _links: Type.Array(Link, { description: 'rel: application, applicationInstance' }),
  },
  { title: 'ApplicationInstanceEnabled' },
)

export type ApplicationInstanceDisabled = Static<typeof ApplicationInstanceDisabled>
export const ApplicationInstanceDisabled = Type.Object(
  {
    ...members,
    eventType: Type.Literal('application-instance-disabled'),
    _embedded: Type.Object({ application: Application }),
    _links: Type.Array(Link, { description: 'rel: application' }),
  },
  { title: 'ApplicationInstanceDisabled' },
)

/** Schema of the payload of every event type. A new event is a line here. */
export const stoaEvents = {
  'application-instance-enabled': ApplicationInstanceEnabled,
  'application-instance-disabled': ApplicationInstanceDisabled,
} as const

/** Event type -> type of its payload. */
export type StoaEvents = { [Name in keyof typeof stoaEvents]: Static<(typeof stoaEvents)[Name]> }
