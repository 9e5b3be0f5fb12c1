import { readFile } from 'node:fs/promises'
import { Validator } from '@seriousme/openapi-schema-validator'
import express from 'express'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createHost, errorCatalogue, type Host } from '@stoa/core'
import { call, type Answer } from '../support/host.ts'
import { send, serve } from './support.ts'

let host: Host
let url: string
beforeAll(async () => {
  host = await createHost({
    database: ':memory:',
    secret: 'a secret that only tests know, 32+',
    mode: 'test',
    name: 'A <b> & "co"',
  })
  url = await serve(express().use(host.router, host.notFound))
})
afterAll(() => host.stop())

describe('GET /openapi.json', () => {
  let answer: Answer
  beforeAll(async () => {
    answer = await call(url, 'GET', '/openapi.json')
  })

  it('is a valid OpenAPI 3.1 document', async () => {
    expect(answer.body.openapi).toBe('3.1.0')
    const result = await new Validator().validate(structuredClone(answer.body))
    expect(result.errors ?? []).toEqual([])
    expect(result.valid).toBe(true)
  })

  it('is the committed one, but for where this host is and what it is called', async () => {
    const committed = JSON.parse(await readFile(new URL('../../docs/reference/openapi.json', import.meta.url), 'utf8'))
    const { title: _title, ...info } = answer.body.info
    const { title: _otherTitle, ...committedInfo } = committed.info
    expect(info).toEqual(committedInfo)
    expect({ ...answer.body, info: null }).toEqual({ ...committed, info: null })
  })

  it('describes every operation the host serves, once', () => {
    const described = Object.entries(
      answer.body.paths as Record<string, Record<string, { operationId?: string }>>,
    ).flatMap(([path, item]) =>
      Object.entries(item)
        .filter(([method]) => method !== 'servers')
        .map(([method, { operationId }]) => `${operationId} ${method.toUpperCase()} ${path}`),
    )
    const served = host.operations.map(
      ({ id, method, path }) => `${id} ${method} ${path.replaceAll(/:(\w+)/g, '{$1}')}`,
    )
    expect(described.sort()).toEqual(served.sort())
    expect(new Set(host.operations.map(({ id }) => id)).size).toBe(host.operations.length)
  })

  it('names the path’s parameters in its schemas', () => {
    for (const [path, item] of Object.entries(
      answer.body.paths as Record<string, Record<string, { parameters?: { name: string; in: string }[] }>>,
    )) {
      const names = [...path.matchAll(/\{(\w+)\}/g)].map((match) => match[1]!)
      for (const [method, { parameters = [] }] of Object.entries(item)) {
        if (method === 'servers') continue
        expect(
          parameters
            .filter((each) => each.in === 'path')
            .map(({ name }) => name)
            .sort(),
          `${method} ${path}`,
        ).toEqual(names.sort())
      }
    }
  })

  it('lists every error code there is', () => {
    expect(answer.body.components.schemas.ErrorBody.properties.code.enum).toEqual(Object.keys(errorCatalogue))
  })

  it('may be read by any page', () => {
    expect(answer.headers.get('access-control-allow-origin')).toBe('*')
    expect(answer.headers.get('content-type')).toMatch(/^application\/json/)
  })
})

describe.each(['', '/deep/down'])('GET %s/api/documentation', (mount) => {
  let page: Answer
  let url: string
  beforeAll(async () => {
    url = await serve(express().use(mount || '/', host.router, host.notFound))
    page = await call(url, 'GET', `${mount}/api/documentation`)
  })
  const links = () => [...String(page.body).matchAll(/(?:src|href)="([^"]+)"/g)].map((match) => match[1]!)
  const resolve = (link: string) => new URL(link, `${url}${mount}/api/documentation`)

  it('is a page', () => {
    expect([page.status, page.headers.get('content-type')]).toEqual([200, 'text/html; charset=utf-8'])
    expect(page.body).toContain('<title>A &lt;b&gt; &amp; &quot;co&quot; API</title>')
  })

  it('loads everything from the host itself', async () => {
    expect(links().length).toBeGreaterThanOrEqual(4)
    for (const link of links()) {
      const target = resolve(link)
      expect(target.origin).toBe(url)
      const { status, headers, body } = await call(url, 'GET', target.pathname)
      expect(status, link).toBe(200)
      if (link.endsWith('.js')) expect(headers.get('content-type')).toMatch(/^text\/javascript/)
      if (!link.endsWith('.css')) continue
      expect(headers.get('content-type')).toMatch(/^text\/css/)
      // Fonts and pictures within the style sheet.
      for (const [, inner] of String(body).matchAll(/url\(["']?([^"')]+)/g)) expect(inner).toMatch(/^(data:|#)/)
      expect(String(body)).not.toMatch(/@import/)
    }
  })

  it('has no script or style of its own, so that the content security policy holds', () => {
    expect(page.body).not.toMatch(/<script>|<style| on\w+=|javascript:/i)
    expect(page.headers.get('content-security-policy')).toMatch(/script-src 'self'(;|$)/)
  })

  it('starts with the document of this host, and asks nobody else about it', async () => {
    const start = (await call(url, 'GET', resolve('documentation/start.js').pathname)).body as string
    const [, document] = /url: '([^']+)'/.exec(start)!
    expect(start).toContain('validatorUrl: null')
    // Swagger UI resolves it against the page.
    const { status, body } = await call(url, 'GET', resolve(document!).pathname)
    expect([status, body.openapi]).toEqual([200, '3.1.0'])
  })

  it('with a slash at the end leads to the page', async () => {
    const { status, headers } = await send(url, { path: `${mount}/api/documentation/` })
    expect(status).toBe(308)
    expect(new URL(headers.get('location')!, `${url}${mount}/api/documentation/`).pathname).toBe(
      `${mount}/api/documentation`,
    )
  })
})
