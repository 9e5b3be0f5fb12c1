import express from 'express'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createHost, type Host } from '@stoa/core'
import { seedDemoWorld, type DemoWorld } from '@stoa/core/testing'
import { call } from '../support/host.ts'
import { send, serve } from './support.ts'

let host: Host
let world: DemoWorld
beforeAll(async () => {
  host = await createHost({
    database: ':memory:',
    secret: 'a secret that only tests know, 32+',
    mode: 'test',
    baseUrl: 'https://platform.example/marketplace/',
  })
  world = await seedDemoWorld(host, { baseUrl: 'https://platform.example/marketplace' })
})
afterAll(() => host.stop())

/** Headers that the host's answers have and an embedder's own must not get from it. */
const ours = [
  'x-request-id',
  'content-security-policy',
  'x-content-type-options',
  'cache-control',
  'x-ratelimit-limit',
  'allow',
]

describe('a host in front of an embedder’s own routes', () => {
  let url: string
  beforeAll(async () => {
    const app = express()
    app.use(host.router)
    app.get('/own', (_req, res) => void res.send('own'))
    app.get('/applications-of-theirs/:id', (req, res) => void res.send(req.params.id))
    app.post('/own', express.text({ type: () => true }), (req, res) => void res.send(`read: ${req.body as string}`))
    app.use((_req, res) => void res.status(404).send('their 404'))
    app.use(((error: Error, _req, res, _next) => {
      res.status(400).send(`their error: ${error.name}`)
    }) as express.ErrorRequestHandler)
    url = await serve(app)
  })

  it('leaves them alone', async () => {
    for (const [path, text, status] of [
      ['/own', 'own', 200],
      ['/applications-of-theirs/1', '1', 200],
      ['/', 'their 404', 404],
      ['/organizations/org_1/nothing', 'their 404', 404],
      ['/api/other', 'their 404', 404],
    ] as const) {
      const answer = await send(url, { path })
      expect([answer.status, answer.text]).toEqual([status, text])
      expect(ours.filter((name) => answer.headers.has(name))).toEqual([])
    }
  })

  it('does not read their bodies', async () => {
    const body = 'a body that is theirs'
    const { text } = await send(url, {
      method: 'POST',
      path: '/own',
      body,
      headers: { 'Content-Length': String(body.length) },
    })
    expect(text).toBe(`read: ${body}`)
  })

  it('leaves their broken paths to their error handler', async () => {
    expect((await send(url, { path: '/applications-of-theirs/%E0%A4%A' })).text).toMatch(/^their error/)
    expect((await send(url, { path: '/applications/%E0%A4%A' })).body.code).toBe('not_found')
  })

  it('answers its own paths', async () => {
    expect((await call(url, 'GET', '/locations', { token: world.organization.apiKey })).status).toBe(200)
  })
})

describe('a host under a path', () => {
  let url: string
  beforeAll(async () => {
    const app = express()
    app.use('/marketplace', host.router, host.notFound)
    app.use((_req, res) => void res.status(404).send('their 404'))
    url = await serve(app)
  })
  const get = (path: string) => call(url, 'GET', path, { token: world.organization.apiKey })

  it('answers below it and nowhere else', async () => {
    expect((await get('/marketplace/locations')).status).toBe(200)
    expect((await get('/locations')).body).toBe('their 404')
    expect((await get('/marketplace/nothing')).body.code).toBe('not_found')
  })

  it('names the whole path in an error', async () => {
    expect((await get('/marketplace/locations/loc_unknown')).body.instance).toBe('/marketplace/locations/loc_unknown')
  })

  it('builds links from baseUrl, not from how it was asked', async () => {
    const made = await call(url, 'POST', '/marketplace/locations', {
      token: world.organization.apiKey,
      body: { name: 'New' },
    })
    const link = made.headers.get('location')!
    expect(link).toBe(
      `https://platform.example/marketplace/organizations/${world.organization.id}/locations/${made.body.id}`,
    )
    expect((await get(link.replace('https://platform.example', ''))).body.name).toBe('New')
    const { body } = await get(`/marketplace/applications/${world.application.id}`)
    expect(JSON.stringify(body)).toContain('https://platform.example/marketplace/')
    expect(JSON.stringify(body)).not.toContain('127.0.0.1')
  })

  it('chooses the scope by its own part of the path', async () => {
    expect((await get(`/marketplace/organizations/${world.organization.id}/locations`)).status).toBe(200)
    expect((await get('/marketplace/organizations/org_unknown/locations')).status).toBe(404)
  })

  it('names its servers in the OpenAPI document', async () => {
    expect((await get('/marketplace/openapi.json')).body.servers).toEqual([
      { url: 'https://platform.example/marketplace' },
    ])
  })
})

describe('a host behind an embedder’s own body parsers', () => {
  let url: string
  beforeAll(async () => {
    const app = express()
    app.use(express.json(), express.urlencoded(), host.router, host.notFound)
    url = await serve(app)
  })
  const token = () => world.organization.apiKey

  it('takes what they have read', async () => {
    const { status, body } = await call(url, 'POST', '/locations', { token: token(), body: { name: 'Parsed before' } })
    expect([status, body.name]).toEqual([201, 'Parsed before'])
  })

  it('checks it as if it had read it itself', async () => {
    const post = (body: unknown) => call(url, 'POST', '/locations', { token: token(), body })
    expect((await post({ name: 1 })).status).toBe(422)
    expect((await post({ name: 'a\0b' })).status).toBe(422)
    expect((await post({ name: 'a', __proto: 1 })).status).toBe(422)
  })

  it('takes an empty body for none', async () => {
    const headers = {
      Authorization: `Bearer ${token()}`,
      'Content-Type': 'application/x-www-form-urlencoded',
      'Content-Length': '0',
    }
    const path = `/application-instances/${world.application.id}`
    expect((await send(url, { method: 'PUT', path, headers })).status).toBe(201)
  })

  it('reads what they have left', async () => {
    const body = '{"name":"No type"}'
    const headers = { Authorization: `Bearer ${token()}`, 'Content-Length': String(body.length) }
    expect((await send(url, { method: 'POST', path: '/locations', headers, body })).status).toBe(201)
  })
})

describe('two hosts in one process', () => {
  it('never meet', async () => {
    const other = await createHost({
      database: ':memory:',
      secret: 'another secret that only tests know',
      mode: 'test',
    })
    afterAll(() => other.stop())
    await seedDemoWorld(other, { baseUrl: 'http://other.example' })
    const app = express()
    app.use('/one', host.router, host.notFound).use('/two', other.router, other.notFound)
    const url = await serve(app)
    const statusAt = async (mount: string) =>
      (await call(url, 'GET', `${mount}/locations`, { token: world.organization.apiKey })).status
    expect([await statusAt('/one'), await statusAt('/two')]).toEqual([200, 401])
  })
})
