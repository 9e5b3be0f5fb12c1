import { integer, iso, maybeText, text, type Db, type Row } from '../database/index.ts'
import { nowIso, type Clock, type Files } from '../kernel/index.ts'
import type { ImageType } from './sniff-image.ts'

const table = 'stoa_files'
const contents = 'stoa_file_contents'

/** What is known of an uploaded image; its bytes are behind the `Files` port. */
export interface FileRecord {
  id: string
  organizationId: string
  /** As found in the bytes. */
  mediaType: ImageType
  size: number
  width: number
  height: number
  sha256: string
  createdBy: string | null
  createdTime: string
}

export async function insertFile(db: Db, file: FileRecord): Promise<void> {
  await db(table).insert({
    id: file.id,
    organization_id: file.organizationId,
    media_type: file.mediaType,
    size: file.size,
    width: file.width,
    height: file.height,
    sha256: file.sha256,
    created_by: file.createdBy,
    created_time: file.createdTime,
  })
}

export async function countFiles(db: Db, organizationId: string): Promise<number> {
  const counted = (await db(table).where({ organization_id: organizationId }).count({ total: '*' }).first()) as Row
  return integer(counted['total'])
}

export async function findFile(db: Db, id: string): Promise<FileRecord | null> {
  const row = (await db(table).where({ id }).first()) as Row | undefined
  if (!row) return null
  return {
    id: text(row['id']),
    organizationId: text(row['organization_id']),
    mediaType: text(row['media_type']) as ImageType,
    size: integer(row['size']),
    width: integer(row['width']),
    height: integer(row['height']),
    sha256: text(row['sha256']),
    createdBy: maybeText(row['created_by']),
    createdTime: iso(row['created_time']),
  }
}

/**
 * The default `Files` port: bytes in the host's own database, so that a backup has them and every process sees them.
 * `db` is the plain knex: the port is never part of a transaction, since another implementation could not be either.
 */
export function createDatabaseFiles(db: Db, clock: Clock): Files {
  return {
    async put(id, { bytes, mediaType }) {
      await db(contents)
        .insert({ id, bytes, media_type: mediaType, created_time: nowIso(clock) })
        .onConflict('id')
        .merge()
    },
    async get(id) {
      const row = (await db(contents).where({ id }).first()) as Row | undefined
      return row ? { bytes: Buffer.from(row['bytes'] as Uint8Array), mediaType: text(row['media_type']) } : null
    },
  }
}
