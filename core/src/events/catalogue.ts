import type { EventTypeDefinition } from './event-types.ts'
import { applicationInstanceTypes } from './types/application-instance.ts'
import { applicationTypes } from './types/application.ts'
import { capTypes } from './types/cap.ts'
import { chargeTypes } from './types/charge.ts'
import { endpointTypes } from './types/endpoint.ts'
import { holdTypes } from './types/hold.ts'
import { installationTypes } from './types/installation.ts'
import { meterTypes } from './types/meter.ts'
import type { OwnType } from './types/own-type.ts'
import { topUpTypes } from './types/top-up.ts'
import { subscriptionTypes } from './types/subscription.ts'
import { payoutTypes } from './types/payout.ts'
import { walletTypes } from './types/wallet.ts'

/** Every type of event of the host's own. Those of the embedder come beside them, from `config.eventTypes`. */
export const eventCatalogue = {
  ...applicationInstanceTypes,
  ...installationTypes,
  ...applicationTypes,
  ...capTypes,
  ...chargeTypes,
  ...holdTypes,
  ...endpointTypes,
  ...meterTypes,
  ...subscriptionTypes,
  ...payoutTypes,
  ...walletTypes,
  ...topUpTypes,
} satisfies Record<string, OwnType>

export type EventType = keyof typeof eventCatalogue

/** The same, as a host's registry takes them. */
export const ownEventTypes: EventTypeDefinition[] = Object.entries(eventCatalogue).map(([type, definition]) => ({
  ...definition,
  type,
}))
