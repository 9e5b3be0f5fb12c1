import { crc32, deflateSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { mostPixels, sniffImage } from './sniff-image.ts'

function chunk(name: string, data: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from(name, 'latin1'), data])
  const length = Buffer.alloc(4)
  length.writeUInt32BE(data.length)
  const sum = Buffer.alloc(4)
  sum.writeUInt32BE(crc32(body))
  return Buffer.concat([length, body, sum])
}

function png(width: number, height: number, { depth = 8, colour = 6, text = '' } = {}): Buffer {
  const header = Buffer.alloc(13)
  header.writeUInt32BE(width, 0)
  header.writeUInt32BE(height, 4)
  header.set([depth, colour], 8)
  return Buffer.concat([
    Buffer.from('\x89PNG\r\n\x1a\n', 'latin1'),
    chunk('IHDR', header),
    ...(text ? [chunk('tEXt', Buffer.from(text))] : []),
    chunk('IDAT', deflateSync(Buffer.alloc(5))),
    chunk('IEND', Buffer.alloc(0)),
  ])
}

function segment(marker: number, data: Buffer): Buffer {
  const head = Buffer.from([0xff, marker, 0, 0])
  head.writeUInt16BE(data.length + 2, 2)
  return Buffer.concat([head, data])
}

function jpeg(width: number, height: number, data = Buffer.from([1, 0xff, 0x00, 2, 0xff, 0xd0, 3])): Buffer {
  const frame = Buffer.from([8, 0, 0, 0, 0, 1, 1, 0x11, 0])
  frame.writeUInt16BE(height, 1)
  frame.writeUInt16BE(width, 3)
  return Buffer.concat([
    Buffer.from([0xff, 0xd8]),
    segment(0xe0, Buffer.from('JFIF\0')),
    segment(0xc4, Buffer.alloc(20)),
    segment(0xc2, frame),
    segment(0xda, Buffer.from([1, 1, 0, 0, 63, 0])),
    data,
    segment(0xda, Buffer.from([1, 1, 0, 0, 63, 0])),
    data,
    Buffer.from([0xff, 0xd9]),
  ])
}

function riff(...chunks: [string, Buffer][]): Buffer {
  const body = Buffer.concat(
    chunks.flatMap(([name, data]) => {
      const length = Buffer.alloc(4)
      length.writeUInt32LE(data.length)
      return [Buffer.from(name, 'latin1'), length, data, Buffer.alloc(data.length % 2)]
    }),
  )
  const size = Buffer.alloc(4)
  size.writeUInt32LE(body.length + 4)
  return Buffer.concat([Buffer.from('RIFF'), size, Buffer.from('WEBP'), body])
}

const vp8 = Buffer.from([0, 0, 0, 0x9d, 0x01, 0x2a, 40, 0, 30, 0, 0])
const vp8l = Buffer.from([0x2f, 99, 0xc0, 12, 0, 0])
const vp8x = Buffer.from([0, 0, 0, 0, 199, 0, 0, 149, 0, 0])

describe('sniffImage', () => {
  it.each([
    ['PNG', png(64, 32), { mediaType: 'image/png', width: 64, height: 32 }],
    ['progressive JPEG', jpeg(64, 32), { mediaType: 'image/jpeg', width: 64, height: 32 }],
    ['lossy WebP', riff(['VP8 ', vp8]), { mediaType: 'image/webp', width: 40, height: 30 }],
    ['lossless WebP', riff(['VP8L', vp8l]), { mediaType: 'image/webp', width: 100, height: 52 }],
    ['extended WebP', riff(['VP8X', vp8x], ['VP8 ', vp8]), { mediaType: 'image/webp', width: 200, height: 150 }],
  ])('knows a %s and its size', (_name, bytes, image) => {
    expect(sniffImage(bytes)).toEqual(image)
  })

  it.each([
    ['SVG', '<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'],
    ['HTML', '<!doctype html><script>alert(1)</script>'],
    ['GIF', 'GIF89a\x01\x00\x01\x00'],
    ['PDF', '%PDF-1.7'],
    ['AVI, a RIFF like WebP', 'RIFF\x04\x00\x00\x00AVI '],
    ['nothing', ''],
    ['one byte', '\x89'],
    ['one byte of a JPEG', '\xff'],
  ])('refuses %s', (_name, text) => {
    expect(sniffImage(Buffer.from(text, 'latin1'))).toBe('is not a PNG, JPEG or WebP image')
  })

  it.each([
    ['PNG', png(64, 32)],
    ['JPEG', jpeg(64, 32)],
    ['WebP', riff(['VP8X', vp8x], ['VP8 ', vp8])],
  ])('refuses a %s that is cut off anywhere', (_name, bytes) => {
    for (let length = 0; length < bytes.length; length++) {
      expect(sniffImage(bytes.subarray(0, length)), `${length} of ${bytes.length} bytes`).toBeTypeOf('string')
    }
  })

  it.each([
    ['PNG', png(64, 32)],
    ['JPEG', jpeg(64, 32)],
    ['WebP', riff(['VP8 ', vp8])],
  ])('refuses a %s with something glued behind it', (_name, bytes) => {
    for (const tail of ['PK\x03\x04', '<script>alert(1)</script>', '\0']) {
      expect(sniffImage(Buffer.concat([bytes, Buffer.from(tail, 'latin1')]))).toContain('behind the end')
    }
  })

  it('refuses something put before the image', () => {
    expect(sniffImage(Buffer.concat([Buffer.from('<script>'), png(64, 32)]))).toContain('is not a PNG')
  })

  it('takes a page inside a comment for what it is: an image, served as one', () => {
    expect(sniffImage(png(64, 32, { text: 'Comment\0<script>alert(1)</script>' }))).toMatchObject({
      mediaType: 'image/png',
    })
  })

  it.each([
    ['no width', png(0, 32)],
    ['no height', jpeg(64, 0)],
  ])('refuses an image with %s', (_name, bytes) => {
    expect(sniffImage(bytes)).toContain('no width or no height')
  })

  it('refuses a decompression bomb by what its header announces', () => {
    expect(sniffImage(png(mostPixels, mostPixels))).toMatchObject({ width: mostPixels })
    expect(sniffImage(png(mostPixels + 1, 1))).toContain('pixels')
    expect(sniffImage(jpeg(1, mostPixels + 1))).toContain('pixels')
    expect(sniffImage(png(0x7fffffff, 0x7fffffff))).toContain('pixels')
  })

  it('refuses a damaged PNG', () => {
    const bytes = png(64, 32)
    bytes[20]! ^= 1
    expect(sniffImage(bytes)).toContain('damaged')
    expect(sniffImage(png(64, 32, { depth: 3 }))).toContain('damaged')
    expect(sniffImage(png(64, 32, { colour: 5 }))).toContain('damaged')
  })

  it('refuses containers without a picture', () => {
    const empty = Buffer.concat([png(1, 1).subarray(0, 33), chunk('IEND', Buffer.alloc(0))])
    expect(sniffImage(empty)).toContain('without a picture')
    expect(sniffImage(Buffer.from([0xff, 0xd8, 0xff, 0xd9]))).toContain('without a picture')
    expect(sniffImage(riff(['VP8X', vp8x]))).toContain('without a picture')
    expect(sniffImage(riff(['VP8 ', Buffer.alloc(10)]))).toContain('damaged')
  })

  it('ends on any bytes behind a signature', () => {
    const signatures = [png(1, 1).subarray(0, 8), Buffer.from([0xff, 0xd8, 0xff]), riff().subarray(0, 12)]
    for (const signature of signatures) {
      for (const fill of [0x00, 0xff, 0xd8, 0x7f]) {
        expect(sniffImage(Buffer.concat([signature, Buffer.alloc(5000, fill)]))).toBeTypeOf('string')
      }
    }
  })
})
