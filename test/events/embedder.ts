import type { ConfigInput } from '@stoa/core'

/** Event types of an embedder: one that applications may receive with a permission, and one that none may. */
export const orderTypes: NonNullable<ConfigInput['eventTypes']> = [
  {
    type: 'order.created',
    sentence: 'Somebody ordered.',
    schema: {
      type: 'object',
      properties: { orderId: { type: 'string' }, total: { $ref: '#/definitions/money' } },
      required: ['orderId'],
      definitions: { money: { type: 'string', pattern: '^\\d+\\.\\d\\d$' } },
    },
    example: { orderId: 'order-1', total: '12.50' },
    permission: 'orders:index',
  },
  {
    type: 'note.made',
    sentence: 'Somebody made a note.',
    schema: { type: 'object' },
    example: {},
  },
]
