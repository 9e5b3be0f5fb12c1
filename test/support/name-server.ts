import { createSocket } from 'node:dgram'
import { isIPv6 } from 'node:net'

/**
 * What the server says of a name: its addresses, or the name it is an alias of, or an error (`code`, such as 2 for
 * SERVFAIL and 3 for NXDOMAIN). Silence is a server that hangs.
 */
export type NameAnswer = { addresses?: string[]; alias?: string; ttl?: number; code?: number } | 'silence'

const types = { A: 1, CNAME: 5, AAAA: 28 }

/** A name server on loopback (UDP, A and AAAA). A name that is not in `answers` does not exist. */
export async function startNameServer(answers: Record<string, NameAnswer>) {
  const asked: string[] = []
  const socket = createSocket('udp4')
  socket.on('message', (query, from) => {
    const { name, end } = readName(query, 12)
    const type = query.readUInt16BE(end)
    if (type === types.A) asked.push(name)
    const records: Buffer[] = []
    let answer = answers[name] ?? { code: 3 }
    for (let owner = name; answer !== 'silence' && answer.alias !== undefined;) {
      records.push(record(owner, types.CNAME, answer.ttl, writeName(answer.alias)))
      owner = answer.alias
      answer = answers[owner] ?? { code: 3 }
      if (answer !== 'silence' && answer.alias === undefined) records.push(...addressRecords(owner, type, answer))
    }
    if (answer === 'silence') return
    if (records.length === 0) records.push(...addressRecords(name, type, answer))
    const header = Buffer.from(query.subarray(0, 12))
    header.writeUInt16BE(0x8180 | (answer.code ?? 0), 2)
    header.writeUInt16BE(records.length, 6)
    header.writeUInt32BE(0, 8)
    socket.send(Buffer.concat([header, query.subarray(12, end + 4), ...records]), from.port, from.address)
  })
  await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve))
  return {
    servers: [`127.0.0.1:${socket.address().port}`],
    /** Names, once for each question for A. */
    asked,
    close: () => void socket.close(),
  }
}

function addressRecords(owner: string, type: number, answer: Exclude<NameAnswer, 'silence'>): Buffer[] {
  return (answer.addresses ?? [])
    .filter((address) => type === (isIPv6(address) ? types.AAAA : types.A))
    .map((address) => record(owner, type, answer.ttl, writeAddress(address)))
}

function record(owner: string, type: number, ttl = 300, data: Buffer): Buffer {
  const fixed = Buffer.alloc(10)
  fixed.writeUInt16BE(type, 0)
  fixed.writeUInt16BE(1, 2)
  fixed.writeUInt32BE(ttl, 4)
  fixed.writeUInt16BE(data.length, 8)
  return Buffer.concat([writeName(owner), fixed, data])
}

function readName(message: Buffer, at: number) {
  const labels: string[] = []
  for (let size = message[at] ?? 0; size > 0; size = message[at] ?? 0) {
    labels.push(message.subarray(at + 1, at + 1 + size).toString())
    at += 1 + size
  }
  return { name: labels.join('.'), end: at + 1 }
}

const writeName = (name: string) =>
  Buffer.concat([...name.split('.').map((label) => Buffer.from([label.length, ...Buffer.from(label)])), Buffer.of(0)])

/** An IPv6 address without `::`, or with one. */
function writeAddress(address: string): Buffer {
  if (!isIPv6(address)) return Buffer.from(address.split('.').map(Number))
  const [head = '', tail = ''] = address.split('::')
  const groups = (text: string) => text.split(':').filter((group) => group !== '')
  const zeros = Array.from({ length: 8 - groups(head).length - groups(tail).length }, () => '0')
  const all = [...groups(head), ...zeros, ...groups(tail)]
  return Buffer.from(all.map((group) => group.padStart(4, '0')).join(''), 'hex')
}
