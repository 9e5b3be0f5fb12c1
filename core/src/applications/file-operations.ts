import { defineOperation, reply, type Operation, linkTo } from '../http/index.ts'
import { Type } from '../kernel/index.ts'
import type { ApplicationsContext } from './context.ts'
import { downloadHeaders, fileShape, ownedFile, readImage, uploadImage } from './files.ts'
import { showFile, uploadFile } from './permissions.ts'
import { ById, FileShape } from './schemas.ts'

const common = { surface: 'store', tag: 'Files', scope: 'organization' } as const
const Bytes = Type.Unsafe<Buffer>({ type: 'string', format: 'binary' })

export function fileOperations(ctx: ApplicationsContext): Operation[] {
  return [
    defineOperation({
      ...common,
      id: 'PostFile',
      method: 'POST',
      path: '/files',
      summary: 'Upload a logo',
      description: 'The body is the image itself: PNG, JPEG or WebP, told by its content whatever Content-Type says.',
      permission: uploadFile,
      bodyKind: 'bytes',
      // The Files port has a connection of its own, for which SQLite would wait until this transaction is over.
      transaction: false,
      responses: { 201: FileShape },
      errors: ['limit_reached', 'invalid_file', 'body_too_large'],
      handler: async ({ caller, db, body }) => {
        const file = await uploadImage(ctx, db, caller, body as unknown as Buffer)
        return reply(201, fileShape(ctx, file), { Location: linkTo(ctx, caller, `/files/${file.id}`) })
      },
    }),
    defineOperation({
      ...common,
      id: 'GetFile',
      method: 'GET',
      path: '/files/:id',
      summary: 'See what is known of an uploaded file',
      permission: showFile,
      params: ById,
      responses: { 200: FileShape },
      errors: ['not_found'],
      handler: async ({ caller, db, params }) => fileShape(ctx, await ownedFile(db, caller, params.id)),
    }),
    defineOperation({
      ...common,
      id: 'DownloadFile',
      method: 'GET',
      path: '/files/:id/download',
      summary: 'Show an uploaded logo',
      description:
        'Needs no credential, because pages show logos with `<img>`: whoever was given the id, which cannot be guessed, may see the image.',
      permission: null,
      params: ById,
      responses: { 200: Bytes },
      errors: ['not_found'],
      handler: async ({ db, params }) => {
        const { file, bytes } = await readImage(ctx, db, params.id)
        return reply(200, bytes, downloadHeaders(file))
      },
    }),
  ]
}
