import { isDeepStrictEqual } from 'node:util'
import { coreMembers, type ApplicationChanges, type CoreMembers, type CosmeticMembers } from './application.ts'

/** The members whose value would become another one. */
export function changesOf(
  present: CoreMembers & Partial<CosmeticMembers>,
  given: ApplicationChanges,
): ApplicationChanges {
  return Object.fromEntries(
    Object.entries(given).filter(
      ([member, value]) => !isDeepStrictEqual(value, present[member as keyof ApplicationChanges]),
    ),
  ) as ApplicationChanges
}

export function coreChangesOf(changes: ApplicationChanges): Partial<CoreMembers> {
  const core = coreMembers.filter((member) => changes[member] !== undefined)
  return Object.fromEntries(core.map((member) => [member, changes[member]])) as Partial<CoreMembers>
}

/** The core members of a version that differ from what is in force. */
export function changesAgainst(inForce: CoreMembers, content: CoreMembers): Partial<CoreMembers> {
  return coreChangesOf(changesOf(inForce, content))
}
