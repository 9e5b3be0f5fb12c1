import type { EventTypeDefinition } from './event-types.ts'
import { applicationInstanceTypes } from './types/application-instance.ts'
import { applicationTypes } from './types/application.ts'
import { chargeTypes } from './types/charge.ts'
import { endpointTypes } from './types/endpoint.ts'
import { installationTypes } from './types/installation.ts'
import type { OwnType } from './types/own-type.ts'
import { payoutTypes } from './types/payout.ts'
import { walletTypes } from './types/wallet.ts'

/** Every type of event of the host's own. Those of the embedder come beside them, from `config.eventTypes`. */
export const eventCatalogue = {
  ...applicationInstanceTypes,
  ...installationTypes,
  ...applicationTypes,
  ...chargeTypes,
  ...endpointTypes,
  ...payoutTypes,
  ...walletTypes,
} satisfies Record<string, OwnType>

export type EventType = keyof typeof eventCatalogue

/** The same, as a host's registry takes them. */
export const ownEventTypes: EventTypeDefinition[] = Object.entries(eventCatalogue).map(([type, definition]) => ({
  ...definition,
  type,
}))
