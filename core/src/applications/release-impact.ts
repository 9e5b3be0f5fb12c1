import { isDeepStrictEqual } from 'node:util'
import type { Db } from '../database/index.ts'
import type { Caller } from '../http/index.ts'
import { askedPermissions } from './asked-permissions.ts'
import type { ApplicationsContext, Price } from './context.ts'
import { ownedApplication } from './find-application.ts'
import { versionOf } from './find-version.ts'
import { differenceOf } from './release-version.ts'
import type { ImpactWire } from './version-schemas.ts'
import { findVersion } from './version-store.ts'

/** What releasing this version now would change for merchants, and for how many of them. Changes nothing itself. */
export async function releaseImpact(
  ctx: ApplicationsContext,
  db: Db,
  caller: Caller,
  id: string,
  number: number,
): Promise<ImpactWire> {
  const application = await ownedApplication(db, caller, id)
  const { content } = await versionOf(db, application, number)
  const inForce = application.version === 0 ? null : application
  const { addedPermissions, removedPermissions } = differenceOf(ctx, inForce, content)
  const asked = askedPermissions(ctx.catalogue, content)
  const known = inForce ? askedPermissions(ctx.catalogue, inForce) : { required: [], optional: [] }
  const askedNow = new Set([...known.required, ...known.optional])
  const previous = inForce ? await findVersion(db, id, application.version) : null
  const named = (names: string[]) =>
    names.map((name) => {
      const { sentence, risk } = ctx.catalogue.find(name)!
      return { name, sentence, risk }
    })
  return {
    version: number,
    currentVersion: inForce ? application.version : null,
    addedPermissions: named(addedPermissions),
    removedPermissions: named(removedPermissions),
    addedOptionalPermissions: named(asked.optional.filter((name) => !askedNow.has(name))),
    settingsChanged: !isDeepStrictEqual(content.properties, inForce?.properties ?? null),
    redirectUrisRemoved: inForce ? inForce.redirectUris.filter((uri) => !content.redirectUris.includes(uri)) : [],
    pricesChanged: previous ? comparePrices(previous.prices ?? [], await ctx.pricesOf(db, id)) : [],
    installations: await countAffected(ctx, db, id, asked.required),
  }
}

async function countAffected(
  ctx: ApplicationsContext,
  db: Db,
  id: string,
  required: string[],
): Promise<ImpactWire['installations']> {
  let total = 0
  let needApproval = 0
  for (const { grant, count } of await ctx.countGrants(db, id)) {
    total += count
    if (required.some((name) => !grant.includes(name))) needApproval += count
  }
  return { total, needApproval, rollOutByThemselves: total - needApproval }
}

function comparePrices(before: Price[], now: Price[]): ImpactWire['pricesChanged'] {
  const ids = [...new Set([...before, ...now].map(({ meterId }) => meterId))]
  return ids.flatMap((meterId) => {
    const from = before.find((price) => price.meterId === meterId) ?? null
    const to = now.find((price) => price.meterId === meterId) ?? null
    // Another name for the same price is no change of the price.
    if (from && to && isDeepStrictEqual({ ...from, name: '' }, { ...to, name: '' })) return []
    return [{ meterId, name: (to ?? from)!.name, from, to }]
  })
}
