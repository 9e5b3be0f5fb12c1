import { generate } from 'selfsigned'

/** What a server needs to speak TLS, PEM. */
export type ServerCertificate = { key: string; cert: string }

const day = 86_400_000

/** An authority made for one test file, and certificates by it. */
export async function createAuthority() {
  const name = [{ name: 'commonName', value: 'Test authority' }]
  const authority = await generate(name, {
    keyType: 'ec',
    algorithm: 'sha256',
    extensions: [
      { name: 'basicConstraints', cA: true, critical: true },
      { name: 'keyUsage', keyCertSign: true, digitalSignature: true, critical: true },
    ],
  })
  const ca = { key: authority.private, cert: authority.cert }
  return {
    /** PEM, for those who are to trust it. */
    cert: authority.cert,
    issue: (host: string, valid: 'now' | 'until yesterday' = 'now') => issue(host, { valid, ca }),
    selfSigned: (host: string) => issue(host, { valid: 'now' }),
  }
}

async function issue(
  host: string,
  { valid, ca }: { valid: 'now' | 'until yesterday'; ca?: ServerCertificate },
): Promise<ServerCertificate> {
  const issued = await generate([{ name: 'commonName', value: host }], {
    keyType: 'ec',
    algorithm: 'sha256',
    notBeforeDate: new Date(Date.now() - 10 * day),
    notAfterDate: new Date(Date.now() + (valid === 'now' ? day : -day)),
    extensions: [
      { name: 'basicConstraints', cA: false },
      { name: 'subjectAltName', altNames: [{ type: 2, value: host }] },
    ],
    ...(ca && { ca }),
  })
  return { key: issued.private, cert: issued.cert }
}
