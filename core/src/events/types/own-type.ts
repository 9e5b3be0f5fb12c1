import { environments } from '../../context.ts'
import { Id, Nullable, OneOf, Time, Type, type TSchema } from '../../kernel/index.ts'
import type { EventTypeDefinition } from '../event-types.ts'

/** One of the host's own types; its name is its key in the catalogue. */
export type OwnType = Omit<EventTypeDefinition, 'type'>

/** Ids and times in the examples. Those of a test event are replaced by fresh ones; see fresh-example.ts. */
export const exampleIds = {
  application: 'app_01a1ff50919a7ee88951eddf34997d04',
  organization: 'org_01a1ff50919a7ee88951eddf34997d05',
  location: 'loc_01a1ff50919a7ee88951eddf34997d06',
  installation: 'ins_01a1ff50919a7ee88951eddf34997d07',
  endpoint: 'whe_01a1ff50919a7ee88951eddf34997d08',
  user: 'usr_01a1ff50919a7ee88951eddf34997d09',
}
export const exampleTime = '2026-01-31T12:00:00.000Z'
export const exampleBase = 'https://platform.example'

interface OwnTypeParts<Data extends TSchema> {
  sentence: string
  data: Data
  /** A `data` that fits. */
  example: object
  audience: OwnType['audience']
  permission?: string
  version?: number
  publishedBy?: OwnType['publishedBy']
}

/** In the payload form that Standard Webhooks recommends. Members beyond the schema are allowed. */
export function ownType<Data extends TSchema>(type: string, parts: OwnTypeParts<Data>): OwnType {
  const { sentence, data, example, audience, permission = null, version = 1, publishedBy = 'host' } = parts
  return {
    version,
    sentence,
    payload: Type.Object({ type: Type.Literal(type), timestamp: Time(), data }),
    example: { type, timestamp: exampleTime, data: example },
    audience,
    permission,
    publishedBy,
  }
}

/** Where an event of an installation happened. */
export const placeMembers = {
  applicationId: Id(),
  organizationId: Id('The organization that has it installed.'),
  locationId: Nullable(Id('The location it is installed on.')),
  environment: OneOf(environments),
}
export const examplePlace = {
  applicationId: exampleIds.application,
  organizationId: exampleIds.organization,
  locationId: exampleIds.location,
  environment: 'production',
}
