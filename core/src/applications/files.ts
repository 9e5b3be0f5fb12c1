import { createHash } from 'node:crypto'
import type { Db } from '../database/index.ts'
import type { Caller } from '../http/index.ts'
import { newId, nowIso, StoaError, type Static } from '../kernel/index.ts'
import type { ApplicationsContext } from './context.ts'
import { countFiles, findFile, insertFile, type FileRecord } from './file-store.ts'
import type { FileShape } from './schemas.ts'
import { imageTypes, sniffImage } from './sniff-image.ts'

/** Keeps an image for the caller's organization. Throws `invalid_file` for what is not a usable image, `limit_reached`. */
export async function uploadImage(
  ctx: ApplicationsContext,
  db: Db,
  caller: Caller,
  bytes: Buffer,
): Promise<FileRecord> {
  const image = bytes.length === 0 ? 'is empty; send the image as the body' : sniffImage(bytes)
  if (typeof image === 'string') {
    throw new StoaError('invalid_file', {
      message: `The file ${image}.`,
      invalidFields: [{ field: 'body', message: image }],
    })
  }
  // Those that come at the same moment may get past this together: it keeps a disk from filling, to the file it need not be.
  const most = ctx.config.filesPerOrganization
  if ((await countFiles(db, caller.organizationId)) >= most) {
    const message = `An organization can keep ${most} files and this one does; use one of those that were uploaded before.`
    throw new StoaError('limit_reached', { message, details: { limit: most } })
  }
  const file: FileRecord = {
    id: newId('file'),
    organizationId: caller.organizationId,
    ...image,
    size: bytes.length,
    sha256: createHash('sha256').update(bytes).digest('hex'),
    createdBy: caller.userId,
    createdTime: nowIso(ctx.clock),
  }
  // The bytes first: a crash in between leaves bytes that nothing names, never a name without bytes.
  await ctx.files.put(file.id, { bytes, mediaType: image.mediaType })
  await insertFile(db, file)
  return file
}

/** The caller's own file. Another organization's is not found. */
export async function ownedFile(db: Db, caller: Caller, id: string): Promise<FileRecord> {
  const file = await findFile(db, id)
  if (file?.organizationId !== caller.organizationId) throw new StoaError('not_found')
  return file
}

/** The bytes, for whoever knows the id. */
export async function readImage(
  ctx: ApplicationsContext,
  db: Db,
  id: string,
): Promise<{ file: FileRecord; bytes: Buffer }> {
  const file = await findFile(db, id)
  const stored = file && (await ctx.files.get(id))
  if (!file || !stored) throw new StoaError('not_found')
  return { file, bytes: stored.bytes }
}

/** Headers under which a stranger's bytes are harmless: no sniffing, no scripts, a name that is ours. */
export function downloadHeaders(file: FileRecord): Record<string, string> {
  return {
    'Content-Type': file.mediaType,
    'X-Content-Type-Options': 'nosniff',
    'Content-Disposition': `inline; filename="logo.${imageTypes[file.mediaType]}"`,
    'Content-Security-Policy': "default-src 'none'; sandbox",
    // A file never changes: another upload is another id.
    'Cache-Control': 'public, max-age=31536000, immutable',
  }
}

/** A file in Rebilly's shape. */
export function fileShape({ config }: ApplicationsContext, file: FileRecord): Static<typeof FileShape> {
  const href = `${config.baseUrl}/files/${file.id}`
  const extension = imageTypes[file.mediaType]
  return {
    id: file.id,
    name: `logo.${extension}`,
    extension,
    mime: file.mediaType,
    size: file.size,
    width: file.width,
    height: file.height,
    sha256: file.sha256,
    createdTime: file.createdTime,
    updatedTime: file.createdTime,
    _links: [
      { rel: 'self', href },
      { rel: 'fileDownload', href: `${href}/download` },
    ],
  }
}
