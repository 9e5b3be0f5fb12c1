import { idMaxLength, idPattern, StoaError } from '../../kernel/index.ts'

const idForm = new RegExp(idPattern)

/** What cannot be an id is answered like an unknown charge, not like an unknown path. Throws `charge_not_found`. */
export function checkId(chargeId: string): string {
  if (chargeId.length > idMaxLength || !idForm.test(chargeId)) throw new StoaError('charge_not_found')
  return chargeId
}
