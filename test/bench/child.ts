import { fork, type ChildProcess } from 'node:child_process'
import { fileURLToPath } from 'node:url'

export interface Child<Ready> {
  ready: Ready
  /** Sends a message and resolves to the next one that comes back. */
  ask<Answer>(message: unknown): Promise<Answer>
  stop(): Promise<void>
}

/** Runs a script of this folder in its own process; its first message says that it is ready. */
export async function startChild<Ready>(script: string, args: string[] = []): Promise<Child<Ready>> {
  const child = fork(fileURLToPath(new URL(script, import.meta.url)), args, {
    execArgv: ['--conditions=@stoa/source', '--import', 'tsx'],
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  })
  const ready = await nextMessage<Ready>(child)
  return {
    ready,
    ask(message) {
      const answer = nextMessage<never>(child)
      child.send(message as object)
      return answer
    },
    stop: () =>
      new Promise((resolve) => {
        child.once('exit', () => resolve())
        child.kill('SIGKILL')
      }),
  }
}

function nextMessage<T>(child: ChildProcess): Promise<T> {
  return new Promise((resolve, reject) => {
    const onExit = (code: number | null) => reject(new Error(`a bench process ended with ${code}`))
    child.once('exit', onExit)
    child.once('message', (message) => {
      child.off('exit', onExit)
      resolve(message as T)
    })
  })
}
