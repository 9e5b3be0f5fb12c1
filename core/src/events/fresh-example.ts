import type { Environment } from '../context.ts'
import { newId } from '../kernel/index.ts'
import { exampleIds, exampleTime } from './types/own-type.ts'

/** What an example is to be about; what is null stays the example's own. */
export interface ExamplePlace {
  applicationId: string | null
  organizationId: string
  environment: Environment
}

const idShape = /\b([a-z]{3})_[0-9a-f]{32}\b/g
const timeShape = /\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z/g

/**
 * Makes copies of examples of the host's own, as if they happened at this moment: the ids of the caller, others that nobody has
 * seen, so that a receiver which drops what it knows does not drop them, and the times moved by as much as the present is
 * later. All copies of one freshener speak of the same things.
 */
export function createFreshener(place: ExamplePlace, now: Date): <T extends object>(example: T) => T {
  const ids = new Map([[exampleIds.organization, place.organizationId]])
  ids.set(exampleIds.application, place.applicationId ?? exampleIds.application)
  const later = now.getTime() - Date.parse(exampleTime)
  const freshId = (id: string, prefix: string) => {
    const known = ids.get(id) ?? newId(prefix)
    ids.set(id, known)
    return known
  }
  return <T extends object>(example: T) =>
    JSON.parse(
      JSON.stringify(example)
        .replaceAll(idShape, freshId)
        .replaceAll(timeShape, (time) => new Date(Date.parse(time) + later).toISOString())
        .replaceAll('"environment":"production"', `"environment":"${place.environment}"`),
    ) as T
}
