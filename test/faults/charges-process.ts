import { createHost } from '@stoa/core'
import { listenOn } from '@stoa/core/testing'
import { hostConfig } from '../wallet/host-config.ts'

/** A host in a process of its own, to be killed. Tells its parent where it listens. */
const [database = ''] = process.argv.slice(2)
const host = await createHost({ ...hostConfig, database, wallet: { batchSize: 8 } })
host.start()
const { url } = await listenOn(host)
process.send!(url)
