import { existsSync } from 'node:fs'
import { chromium, type Browser } from 'playwright-core'

const places = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome', '/opt/google/chrome/chrome']
const quiet = ['--no-sandbox', '--disable-gpu', '--disable-background-networking', '--disable-component-update']

/** What the packed one leaves out is what the pages are tested for; and in one process it ends with its first window. */
const lax = [
  '--disable-web-security',
  '--allow-running-insecure-content',
  '--disable-site-isolation-trials',
  '--single-process',
  '--in-process-gpu',
]

/** Chromium as it is found on the machine; else the one that comes from npm and needs nothing installed. */
export async function launchChromium(): Promise<Browser> {
  const found = places.find((place) => existsSync(place))
  if (found) return chromium.launch({ executablePath: found, args: quiet })
  // Told that it is on AWS Lambda, the package also unpacks the libraries that a bare Linux lacks, and looks for them there.
  process.env['AWS_EXECUTION_ENV'] ??= 'AWS_Lambda_nodejs20.x'
  const { default: packed } = await import('@sparticuz/chromium')
  const args = packed.args.filter((arg) => !lax.includes(arg))
  return chromium.launch({ executablePath: await packed.executablePath(), args: [...args, ...quiet] })
}
