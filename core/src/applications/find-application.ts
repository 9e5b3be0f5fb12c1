import { parseCollection, pickFields, type CollectionSpec, type CollectionText, type Db } from '../database/index.ts'
import type { Caller, Page, Paged } from '../http/index.ts'
import { StoaError } from '../kernel/index.ts'
import { applicationStatuses, type Application } from './application.ts'
import type { ApplicationsContext } from './context.ts'
import { ApplicationShape, type ApplicationWire } from './schemas.ts'
import { findApplication, listApplications } from './store.ts'
import { applicationsFor, isOwner, isReviewer } from './wire.ts'

/** The caller's own application. Throws `not_found` alike for one that does not exist and one that somebody else publishes. */
export async function ownedApplication(db: Db, caller: Caller, id: string): Promise<Application> {
  const application = await findApplication(db, id)
  if (!application || !isOwner(caller, application)) throw new StoaError('not_found')
  return application
}

/** For its publisher and for reviewers. */
export async function managedApplication(db: Db, caller: Caller, id: string): Promise<Application> {
  const application = await findApplication(db, id)
  if (!application || !(isOwner(caller, application) || isReviewer(caller))) throw new StoaError('not_found')
  return application
}

/** As the store shows it: available to everybody, otherwise to publisher and reviewers, and to those who have it installed. */
export async function visibleApplication(
  ctx: ApplicationsContext,
  db: Db,
  caller: Caller,
  id: string,
): Promise<Application> {
  const application = await findApplication(db, id)
  if (!application) throw new StoaError('not_found')
  if (application.status === 'available' || isOwner(caller, application) || isReviewer(caller)) return application
  if ((await ctx.instancesOf(db, caller, [id])).has(id)) return application
  throw new StoaError('not_found')
}

export const expandable = ['applicationInstance'] as const

const applicationCollection: CollectionSpec = {
  columns: {
    id: { column: 'id', type: 'id' },
    name: { column: 'name', type: 'text', folded: 'name_folded' },
    authorName: { column: 'author_name', type: 'text', folded: 'author_name_folded' },
    status: { column: 'status', type: 'word', words: applicationStatuses },
    acknowledges: { column: 'acknowledges', type: 'boolean' },
    createdTime: { column: 'created_time', type: 'time' },
    updatedTime: { column: 'updated_time', type: 'time' },
  },
  idColumn: 'id',
  searchColumn: 'search_text',
  members: Object.keys(ApplicationShape.properties).filter((member) => member !== '_embedded'),
  expandable,
}

/** Reviewers also find what waits: `filter=status:pending-approval`, and `filter=revisionSubmittedTime:2000-01-01..`. */
const reviewerCollection: CollectionSpec = {
  ...applicationCollection,
  columns: {
    ...applicationCollection.columns,
    publisherId: { column: 'publisher_id', type: 'id' },
    revisionSubmittedTime: { column: 'revision_submitted_time', type: 'time' },
  },
}

/** A page of the store. */
export async function browseApplications(
  ctx: ApplicationsContext,
  db: Db,
  caller: Caller,
  query: CollectionText & Page,
): Promise<Paged<Partial<ApplicationWire>>> {
  const reviews = isReviewer(caller)
  const spec = reviews ? reviewerCollection : applicationCollection
  const wanted = parseCollection(spec, query)
  const { organizationId, onlyApplicationId } = caller
  const viewer = { organizationId, onlyApplicationId, reviews }
  const { items, total } = await listApplications(db, viewer, spec, wanted, query)
  const shown = await applicationsFor(ctx, db, caller, items, wanted.expand)
  return { items: shown.map((item) => pickFields(item, wanted.fields)), total }
}
