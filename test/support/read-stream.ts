import { onTestFinished } from 'vitest'

export interface ReadEvent {
  event: string
  id: string
  data: string
}

export interface OpenedStream {
  response: Response
  /** The next event; comments are passed over. Null when the stream has ended. */
  next(): Promise<ReadEvent | null>
  /** How many comments came by. */
  comments(): number
  close(): void
}

/** Reads server-sent events in the plainest way, so that what the host writes is looked at and not a library. */
export async function openStream(url: string, token?: string): Promise<OpenedStream> {
  const closing = new AbortController()
  onTestFinished(() => closing.abort())
  const headers = token ? { Authorization: `Bearer ${token}` } : undefined
  const response = await fetch(url, { headers, signal: closing.signal })
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader()
  let text = ''
  let comments = 0
  return {
    response,
    comments: () => comments,
    close: () => closing.abort(),
    async next() {
      for (;;) {
        const end = text.indexOf('\n\n')
        if (end < 0) {
          const { value, done } = await reader.read()
          if (done) return null
          text += value
          continue
        }
        const lines = text.slice(0, end).split('\n')
        text = text.slice(end + 2)
        if (lines[0]!.startsWith(':')) {
          comments++
          continue
        }
        const all = (name: string) =>
          lines.filter((line) => line.startsWith(`${name}: `)).map((line) => line.slice(name.length + 2))
        return { event: all('event').join(), id: all('id').join(), data: all('data').join('\n') }
      }
    },
  }
}
