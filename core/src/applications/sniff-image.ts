import { crc32 } from 'node:zlib'

export const imageTypes = { 'image/png': 'png', 'image/jpeg': 'jpg', 'image/webp': 'webp' } as const
export type ImageType = keyof typeof imageTypes

export interface SniffedImage {
  mediaType: ImageType
  width: number
  height: number
}

/** Larger ones are no logo, and decode to hundreds of megabytes in every visitor's browser. */
export const mostPixels = 4096

/**
 * What an upload really is, whatever it claims. The whole container is walked, from its signature to its last byte: a file
 * that stops early, or goes on after its end (an archive or a page glued behind an image), is refused.
 * Returns a sentence about what is wrong when it is not a usable PNG, JPEG or WebP.
 */
export function sniffImage(bytes: Buffer): SniffedImage | string {
  const found = readPng(bytes) ?? readJpeg(bytes) ?? readWebp(bytes)
  if (found === null) return 'is not a PNG, JPEG or WebP image'
  if (typeof found === 'string') return found
  const { width, height } = found
  if (width === 0 || height === 0) return 'has no width or no height'
  if (width > mostPixels || height > mostPixels) {
    return `has ${width} x ${height} pixels; ${mostPixels} x ${mostPixels} is the most`
  }
  return found
}

type Reading = SniffedImage | string | null

const pngSignature = Buffer.from('\x89PNG\r\n\x1a\n', 'latin1')
const pngDepths: Record<number, number[]> = { 0: [1, 2, 4, 8, 16], 2: [8, 16], 3: [1, 2, 4, 8], 4: [8, 16], 6: [8, 16] }

function readPng(bytes: Buffer): Reading {
  if (!bytes.subarray(0, 8).equals(pngSignature)) return null
  let image: SniffedImage | null = null
  let hasData = false
  for (let at = 8; at + 12 <= bytes.length;) {
    const length = bytes.readUInt32BE(at)
    const name = bytes.toString('latin1', at + 4, at + 8)
    const end = at + 12 + length
    if (end > bytes.length) break
    if (crc32(bytes.subarray(at + 4, end - 4)) !== bytes.readUInt32BE(end - 4))
      return 'is a damaged PNG; export it again'
    if (image === null) {
      if (name !== 'IHDR' || length !== 13 || !pngDepths[bytes[at + 17]!]?.includes(bytes[at + 16]!))
        return 'is a damaged PNG; export it again'
      image = { mediaType: 'image/png', width: bytes.readUInt32BE(at + 8), height: bytes.readUInt32BE(at + 12) }
    }
    if (name === 'IDAT') hasData = true
    if (name === 'IEND') {
      if (!hasData) return 'is a PNG without a picture'
      return end === bytes.length ? image : trailing
    }
    at = end
  }
  return truncated
}

const truncated = 'is cut off before the end of the image; upload it again'
const trailing = 'has something behind the end of the image; export it again'

function readJpeg(bytes: Buffer): Reading {
  if (bytes.length < 3 || bytes.readUIntBE(0, 3) !== 0xffd8ff) return null
  let image: SniffedImage | null = null
  let hasData = false
  for (let at = 2; at + 2 <= bytes.length;) {
    if (bytes[at] !== 0xff) return 'is a damaged JPEG; export it again'
    const marker = bytes[at + 1]!
    if (marker === 0xff) {
      at += 1 // a fill byte
      continue
    }
    if (marker === 0xd9) {
      if (!image || !hasData) return 'is a JPEG without a picture'
      return at + 2 === bytes.length ? image : trailing
    }
    if (at + 4 > bytes.length) return truncated
    const length = bytes.readUInt16BE(at + 2)
    if (length < 2 || marker < 0xc0) return 'is a damaged JPEG; export it again'
    const end = at + 2 + length
    if (end > bytes.length) return truncated
    if (isFrameHeader(marker)) {
      if (length < 8) return 'is a damaged JPEG; export it again'
      image ??= { mediaType: 'image/jpeg', width: bytes.readUInt16BE(at + 7), height: bytes.readUInt16BE(at + 5) }
    }
    at = end
    if (marker === 0xda) {
      hasData = true
      at = endOfScan(bytes, end)
    }
  }
  return truncated
}

// C0 to CF are frame headers, but for the Huffman table, the JPEG extension and the arithmetic-coding table.
function isFrameHeader(marker: number): boolean {
  return marker >= 0xc0 && marker <= 0xcf && marker !== 0xc4 && marker !== 0xc8 && marker !== 0xcc
}

/** The next marker after compressed data, in which FF is followed by 00 or by a restart marker. */
function endOfScan(bytes: Buffer, start: number): number {
  let at = bytes.indexOf(0xff, start)
  while (at >= 0 && at + 1 < bytes.length) {
    const next = bytes[at + 1]!
    const isData = next === 0x00 || (next >= 0xd0 && next <= 0xd7)
    if (!isData) return at
    at = bytes.indexOf(0xff, at + 2)
  }
  return bytes.length
}

function readWebp(bytes: Buffer): Reading {
  if (bytes.length < 12 || bytes.toString('latin1', 0, 4) !== 'RIFF' || bytes.toString('latin1', 8, 12) !== 'WEBP')
    return null
  const end = bytes.readUInt32LE(4) + 8
  if (end > bytes.length) return truncated
  if (end < bytes.length) return trailing
  let image: SniffedImage | null = null
  let hasData = false
  for (let at = 12; at < end;) {
    if (at + 8 > end) return 'is a damaged WebP; export it again'
    const name = bytes.toString('latin1', at, at + 4)
    const length = bytes.readUInt32LE(at + 4)
    const chunk = bytes.subarray(at + 8, at + 8 + length)
    if (chunk.length < length) return truncated
    const size = webpSize(name, chunk)
    if (size === undefined) return 'is a damaged WebP; export it again'
    if (size) image ??= { mediaType: 'image/webp', ...size }
    if (name === 'VP8 ' || name === 'VP8L' || name === 'ANMF') hasData = true
    at += 8 + length + (length % 2) // chunks are padded to even lengths
    if (at > end) return truncated
  }
  if (!image || !hasData) return 'is a WebP without a picture'
  return image
}

/** Size that a chunk tells; null for one that tells none, undefined for a broken one. */
function webpSize(name: string, chunk: Buffer): { width: number; height: number } | null | undefined {
  if (name === 'VP8X') {
    if (chunk.length < 10) return undefined
    return { width: chunk.readUIntLE(4, 3) + 1, height: chunk.readUIntLE(7, 3) + 1 }
  }
  if (name === 'VP8L') {
    if (chunk.length < 5 || chunk[0] !== 0x2f) return undefined
    const bits = chunk.readUInt32LE(1)
    return { width: (bits & 0x3fff) + 1, height: ((bits >>> 14) & 0x3fff) + 1 }
  }
  if (name === 'VP8 ') {
    if (chunk.length < 10 || chunk.readUIntBE(3, 3) !== 0x9d012a) return undefined
    return { width: chunk.readUInt16LE(6) & 0x3fff, height: chunk.readUInt16LE(8) & 0x3fff }
  }
  return null
}
