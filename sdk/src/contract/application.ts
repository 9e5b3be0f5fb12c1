import { Type, type Static } from 'typebox'

/**
 * Applications and their installations as the store surface shows them (Rebilly's shape; an installation is called
 * application instance there). Schemas of what the host *sends*: members may be added later and values of a status may
 * be added later, so nothing here is closed, and what only the host sets may be absent.
 */

const readOnly = { readOnly: true }

const Id = Type.String({ maxLength: 50 })
const Time = Type.String({ format: 'date-time', description: 'ISO-8601 UTC', ...readOnly })

export type Link = Static<typeof Link>
export const Link = Type.Object({ href: Type.String(), rel: Type.String() })

const Links = Type.Array(Link, readOnly)

export type ApplicationStatus = (typeof applicationStatuses)[number]
/** Statuses of a listing that this version of the SDK knows. */
export const applicationStatuses = ['draft', 'pending-approval', 'available', 'rejected', 'disabled'] as const

export type ApplicationInstanceStatus = (typeof applicationInstanceStatuses)[number]
/** Statuses of an installation that this version of the SDK knows. */
export const applicationInstanceStatuses = ['enabling', 'enabled', 'disabling', 'disabled'] as const

/** A string that is one of the known values, or of a later version's: completed by editors, refused by nobody. */
function OpenString<const Known extends string>(known: readonly Known[], options: object) {
  return Type.Unsafe<Known | (string & {})>(Type.String({ examples: [...known], ...options }))
}

export type Application = Static<typeof Application>
export const Application = Type.Object(
  {
    id: Type.Optional(Type.String({ maxLength: 50, pattern: '^[@~\\-\\.\\w]+$', ...readOnly })),
    name: Type.String(),
    logoId: Type.String({ maxLength: 50, description: 'Id of a file' }),
    authorName: Type.String(),
    authorLogoId: Type.Optional(Type.Union([Id, Type.Null()])),
    tagline: Type.String(),
    description: Type.String({ description: 'Plain text or Markdown' }),
    status: Type.Optional(OpenString(applicationStatuses, readOnly)),
    permissions: Type.Array(Type.String(), { description: 'Scopes that the application asks for' }),
    configurationUrl: Type.Optional(
      Type.Union([Type.String({ format: 'uri' }), Type.Null()], { description: "The application's own settings page" }),
    ),
    configuredBy: Type.Optional(OpenString(['user', 'application'], readOnly)),
    properties: Type.Optional(
      Type.Record(Type.String(), Type.Unknown(), { description: 'JSON Schema (draft 4, 6 or 7) of the settings' }),
    ),
    createdTime: Type.Optional(Time),
    updatedTime: Type.Optional(Time),
    _links: Type.Optional(Links),
  },
  { title: 'Application' },
)

export type ApplicationInstance = Static<typeof ApplicationInstance>
export const ApplicationInstance = Type.Object(
  {
    status: Type.Optional(OpenString(applicationInstanceStatuses, readOnly)),
    isConfigured: Type.Optional(Type.Boolean(readOnly)),
    settings: Type.Optional(
      Type.Record(Type.String(), Type.Unknown(), {
        description: "Typed as the application's settings schema says",
        ...readOnly,
      }),
    ),
    createdTime: Type.Optional(Time),
    updatedTime: Type.Optional(Time),
    _links: Type.Optional(Links),
  },
  { title: 'ApplicationInstance' },
)

/** An installation as the owner of the application sees it. */
export type OwnerApplicationInstance = Static<typeof OwnerApplicationInstance>
export const OwnerApplicationInstance = Type.Object(
  {
    ...ApplicationInstance.properties,
    organizationId: Type.Optional(Type.String({ maxLength: 50, description: 'Who installed it', ...readOnly })),
    token: Type.Optional(
      Type.String({ description: 'Acts for the installation within its grant; good for one hour', ...readOnly }),
    ),
  },
  { title: 'OwnerApplicationInstance' },
)

/** An application as a user of the store sees it; with `expand=applicationInstance`, their installation of it too. */
export type UserApplication = Static<typeof UserApplication>
export const UserApplication = Type.Object(
  {
    ...Application.properties,
    _embedded: Type.Optional(Type.Object({ applicationInstance: Type.Optional(ApplicationInstance) }, readOnly)),
  },
  { title: 'UserApplication' },
)
