import { crc32, deflateSync } from 'node:zlib'

/** A square PNG in one colour, so that the demo application has a logo without a file in the repository. */
export function demoLogo(size = 64, colour: [number, number, number] = [0x2f, 0x6f, 0x5e]): Buffer {
  const header = Buffer.alloc(13)
  header.writeUInt32BE(size, 0)
  header.writeUInt32BE(size, 4)
  header.set([8, 2, 0, 0, 0], 8) // 8 bits a channel, RGB, the only compression and filter there are, not interlaced
  const line = Buffer.concat([Buffer.from([0]), ...Array.from({ length: size }, () => Buffer.from(colour))])
  const pixels = deflateSync(Buffer.concat(Array.from({ length: size }, () => line)))
  return Buffer.concat([
    Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]),
    chunk('IHDR', header),
    chunk('IDAT', pixels),
    chunk('IEND', Buffer.alloc(0)),
  ])
}

function chunk(type: string, data: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), data])
  const length = Buffer.alloc(4)
  length.writeUInt32BE(data.length)
  const checksum = Buffer.alloc(4)
  checksum.writeUInt32BE(crc32(body))
  return Buffer.concat([length, body, checksum])
}
