import { describe, expect, it } from 'vitest'
import { errorCatalogue, invalidField, StoaError, type ErrorCode } from './errors.ts'

describe('a StoaError', () => {
  it.each(Object.keys(errorCatalogue) as ErrorCode[])('%s has status and sentence from the catalogue', (code) => {
    const [status, title, message] = errorCatalogue[code]
    const error = new StoaError(code)
    expect([error.code, error.status, error.message, error.name]).toEqual([code, status, message, 'StoaError'])
    expect(status).toBeGreaterThanOrEqual(400)
    expect(title.length).toBeLessThan(40)
    expect(error).toBeInstanceOf(Error)
  })

  it('carries what the rule adds, and its cause for the log', () => {
    const cause = new Error('why')
    const error = new StoaError('unavailable', { message: 'Full.', retryAfter: 3, details: { queue: 7 }, cause })
    expect(error).toMatchObject({ status: 503, message: 'Full.', retryAfter: 3, details: { queue: 7 }, cause })
  })

  it('about a field names it in the message and in invalidFields', () => {
    const error = invalidField('redirectUri', 'must be https', 'invalid_url')
    expect(error).toMatchObject({
      code: 'invalid_url',
      status: 422,
      message: 'redirectUri: must be https',
      invalidFields: [{ field: 'redirectUri', message: 'must be https' }],
    })
    expect(invalidField('name', 'is taken').code).toBe('validation_failed')
  })
})

describe('the catalogue', () => {
  it('is sorted by status', () => {
    const statuses = Object.values(errorCatalogue).map(([status]) => status)
    expect(statuses).toEqual([...statuses].sort((a, b) => a - b))
  })
})
