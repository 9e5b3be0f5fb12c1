import { expect, it } from 'vitest'
import { createClient } from './create-client.ts'

/** A host that answers as it is told; tells what it was asked. */
function fakeHost(...answers: [status: number, body: object | null, headers?: Record<string, string>][]) {
  const asked: { method: string; url: string; headers: Record<string, string>; hasBody: boolean }[] = []
  const client = createClient({
    baseUrl: 'https://host.example/market/',
    token: 'stoa_ak_1',
    environment: 'sandbox',
    fetch: (url, { method = 'GET', headers, body } = {}) => {
      asked.push({
        method,
        url: url as string,
        headers: headers as Record<string, string>,
        hasBody: body !== undefined,
      })
      const [status, answer, more] = answers[asked.length - 1]!
      const text = answer && JSON.stringify(answer)
      return Promise.resolve(
        new Response(text, { status, headers: { ...(text && { 'content-type': 'application/json' }), ...more } }),
      )
    },
  })
  return { client, asked }
}

const body = { host: 'a.example', auth: { type: 'none' as const } }
const place = '/market/service-credentials/webhook/cred_1'

it('follows a 303 to what is there already, with its credential and without the body', async () => {
  for (const location of [place, `https://host.example${place}`]) {
    const { client, asked } = fakeHost([303, null, { location }], [200, { id: 'cred_1' }])
    expect(await client.postServiceCredential({ body })).toEqual({ id: 'cred_1' })
    expect(asked[0]).toMatchObject({ method: 'POST', hasBody: true })
    expect(asked[1]).toEqual({
      method: 'GET',
      url: `https://host.example${place}`,
      headers: { Accept: 'application/json', Authorization: 'Bearer stoa_ak_1', 'X-Environment': 'sandbox' },
      hasBody: false,
    })
  }
})

it('shows its credential to nobody else, wherever a redirect leads', async () => {
  const elsewhere = `https://elsewhere.example${place}`
  for (const [status, headers] of [
    [303, { location: elsewhere }],
    [303, {}],
    [307, { location: place }],
    [302, { location: place }],
  ] as [number, Record<string, string>][]) {
    const { client, asked } = fakeHost([status, null, headers], [200, { id: 'cred_1' }])
    await expect(client.postServiceCredential({ body })).rejects.toMatchObject({ status, code: 'unexpected_response' })
    expect(asked).toHaveLength(1)
  }
})

it('follows one 303 and no second', async () => {
  const { client, asked } = fakeHost([303, null, { location: place }], [303, null, { location: place }], [200, {}])
  await expect(client.postServiceCredential({ body })).rejects.toMatchObject({ status: 303 })
  expect(asked).toHaveLength(2)
})
