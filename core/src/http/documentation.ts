import { createRequire } from 'node:module'
import { dirname } from 'node:path'
import { Router, type RequestHandler } from 'express'
import type { Context } from '../context.ts'
import { createOpenApi } from './openapi.ts'
import { escapeHtml } from './page.ts'
import { createSecurityHeaders } from './common-handlers.ts'
import type { Operation } from './operation.ts'

const assets = dirname(createRequire(import.meta.url).resolve('swagger-ui-dist/package.json'))
const files = ['swagger-ui.css', 'swagger-ui-bundle.js', 'favicon-32x32.png'] as const

/**
 * GET /openapi.json and the interactive page GET /api/documentation. Everything the page loads comes from here, so it works
 * without a network, and no script is inline, so the usual content security policy holds.
 */
export function documentationRouter(context: Context, operations: Operation[], version: string): Router {
  const { config } = context
  const document = JSON.stringify(createOpenApi(operations, config, version))
  const router = Router()
  const setSecurityHeaders = createSecurityHeaders(config)
  const headers: RequestHandler = (_req, res, next) => {
    setSecurityHeaders(res)
    next()
  }

  router.get('/openapi.json', headers, (_req, res) => {
    res.setHeader('Access-Control-Allow-Origin', '*')
    res.type('application/json').send(document)
  })
  router.get('/api/documentation', headers, (req, res) => {
    // The links are relative to /api/: a trailing slash would move them one level down.
    if (req.originalUrl.split('?')[0]!.endsWith('/')) return res.redirect(308, '../documentation')
    res.type('text/html').send(page(config.name))
  })
  router.get('/api/documentation/start.js', headers, (_req, res) => {
    res.type('text/javascript').send(startScript)
  })
  for (const file of files) {
    router.get(`/api/documentation/${file}`, headers, (_req, res) => {
      // By `root`, because a file whose own path has a hidden folder in it, as pnpm's have, is answered 404.
      res.sendFile(file, { root: assets, maxAge: '1d' })
    })
  }
  return router
}

const startScript = `SwaggerUIBundle({
  url: '../openapi.json',
  dom_id: '#documentation',
  validatorUrl: null,
  deepLinking: true,
  docExpansion: 'none',
  persistAuthorization: true,
  tryItOutEnabled: true,
  filter: true,
})
`

function page(name: string): string {
  const title = `${escapeHtml(name)} API`
  return `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <title>${title}</title>
    <link rel="icon" type="image/png" href="documentation/favicon-32x32.png">
    <link rel="stylesheet" href="documentation/swagger-ui.css">
  </head>
  <body>
    <main id="documentation"></main>
    <noscript><p>This page needs JavaScript; the same document is at <a href="../openapi.json">openapi.json</a>.</p></noscript>
    <script src="documentation/swagger-ui-bundle.js"></script>
    <script src="documentation/start.js"></script>
  </body>
</html>
`
}
