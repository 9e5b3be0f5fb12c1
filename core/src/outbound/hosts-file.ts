import { readFile } from 'node:fs/promises'
import { isIP } from 'node:net'

const defaultPath = process.platform === 'win32' ? 'C:\\Windows\\System32\\drivers\\etc\\hosts' : '/etc/hosts'
const rereadAfterMs = 5_000

/** Looks a name up in the machine's hosts file, read again at most every five seconds. No file means no names. */
export function createHostsFile(path: string = defaultPath): (name: string) => Promise<string[]> {
  let entries: Promise<Map<string, string[]>> | undefined
  let readAt = 0
  return async (name) => {
    if (!entries || performance.now() - readAt > rereadAfterMs) {
      readAt = performance.now()
      entries = readFile(path, 'utf8').then(parseHosts, () => new Map())
    }
    return (await entries).get(name) ?? []
  }
}

function parseHosts(text: string): Map<string, string[]> {
  const entries = new Map<string, string[]>()
  for (const line of text.split('\n')) {
    const [address = '', ...names] = line.replace(/#.*/, '').trim().split(/\s+/)
    if (!isIP(address)) continue
    for (const name of names) entries.set(name.toLowerCase(), [...(entries.get(name.toLowerCase()) ?? []), address])
  }
  return entries
}
