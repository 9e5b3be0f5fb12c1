import { createSchemaCompiler, Nullable, OneOf, StoaError, Type, type Static } from './kernel/index.ts'

const Seconds = (fallback: number, description: string) => Type.Integer({ minimum: 1, default: fallback, description })

/** Every option of the host: its type, its default and what it does, in this one place. The reference page is made from it. */
export const ConfigSchema = Type.Object(
  {
    secret: Type.String({
      minLength: 32,
      description:
        'Host secret of at least 32 characters. Session and sealing keys are derived from it. Keep it; losing it loses sealed settings.',
    }),
    previousSecrets: Type.Array(Type.String({ minLength: 32 }), {
      default: [],
      description:
        'Former host secrets, so that what they sealed still opens, and what they signed still verifies, after a rotation.',
    }),
    baseUrl: Type.String({
      format: 'uri',
      default: 'http://localhost:4000',
      description:
        'The address under which clients reach the router, with the mount path, without a trailing slash. Links are built from it.',
    }),
    name: Type.String({ default: 'Stoa', description: 'What the platform is called, in documentation and pages.' }),
    mode: OneOf(['production', 'development', 'test'], {
      default: 'production',
      description:
        'In development and test, responses and published events are checked against their schemas: a mismatch is logged in development and is an error in test.',
    }),
    bodyLimitBytes: Type.Integer({
      minimum: 1024,
      default: 1_048_576,
      description: 'Largest JSON or form body accepted.',
    }),
    fileLimitBytes: Type.Integer({ minimum: 1024, default: 2_097_152, description: 'Largest uploaded file accepted.' }),
    filesPerOrganization: Type.Integer({
      minimum: 1,
      default: 200,
      description: 'Most files an organization can upload; further ones are refused with `limit_reached`.',
    }),
    corsOrigins: Type.Array(Type.String(), {
      default: [],
      description: 'Origins of web pages that may call the API; "*" for any. Authority is in tokens, never in cookies.',
    }),
    currency: Type.String({ pattern: '^[A-Z]{3}$', default: 'USD', description: 'ISO 4217 currency of new wallets.' }),
    rateLimit: Type.Object(
      {
        requests: Type.Integer({
          minimum: 1,
          default: 20_000,
          description: 'Requests one credential may make in a window.',
        }),
        windowSeconds: Seconds(10, 'Length of the window.'),
        anonymousRequests: Type.Integer({
          minimum: 1,
          default: 2000,
          description:
            'Requests from one address in a window to what needs no credential beforehand: the token endpoints and the pages.',
        }),
        signInsPerMinute: Type.Integer({
          minimum: 1,
          default: 10,
          description:
            'Sign-in attempts for one e-mail address from one place in a minute; five times as many from everywhere, thirty times as many from one place for any address.',
        }),
      },
      { default: {} },
    ),
    tokens: Type.Object(
      {
        sessionSeconds: Seconds(12 * 3600, 'Life of a user session.'),
        installationSeconds: Seconds(3600, 'Life of an installation token.'),
        accessSeconds: Seconds(3600, 'Life of an OAuth access token.'),
        refreshSeconds: Seconds(90 * 24 * 3600, 'How long an OAuth refresh token works when it is not used.'),
        refreshGraceSeconds: Type.Integer({
          minimum: 0,
          maximum: 300,
          default: 30,
          description:
            'How long a used refresh token still answers with the same successor, for clients that refresh twice at once or lost the answer.',
        }),
        codeSeconds: Seconds(60, 'Life of an OAuth authorization code.'),
        contextSeconds: Seconds(60, 'Life of the token that tells an embedded page of an application who looks at it.'),
        cacheMilliseconds: Type.Integer({
          minimum: 0,
          maximum: 1000,
          default: 500,
          description:
            'How long a verified credential is kept in memory: the longest time a revocation on another node can go unnoticed.',
        }),
      },
      { default: {} },
    ),
    pages: Type.Object(
      {
        accentColor: Type.String({
          pattern: '^#[0-9a-fA-F]{6}$',
          default: '#1f5fbf',
          description: 'Colour of buttons and links on the sign-in and consent pages.',
        }),
        logoUrl: Nullable(Type.String({ format: 'uri' }), {
          default: null,
          description: 'The platform’s logo on those pages, an https address.',
        }),
        signInUrl: Nullable(Type.String({ format: 'uri' }), {
          default: null,
          description:
            'With the identity port: your own sign-in page, which gets `return_to` and sends the person back there.',
        }),
      },
      { default: {} },
    ),
    installations: Type.Object(
      {
        acknowledgeSeconds: Seconds(
          300,
          'How long an application that acknowledges has to answer before the event is sent again.',
        ),
        acknowledgeTries: Type.Integer({
          minimum: 1,
          default: 3,
          description: 'How often the event is sent before the problem is shown.',
        }),
        cleanupSeconds: Seconds(
          600,
          'How long a removed application keeps a token that can only read its configuration.',
        ),
      },
      { default: {} },
    ),
    webhooks: Type.Object(
      {
        allowPrivateNetworks: Type.Union([Type.Boolean(), Type.Array(Type.String())], {
          default: false,
          description: 'Whether webhooks may go to private addresses: true, false, or a list of CIDR ranges.',
        }),
        allowHttp: Type.Boolean({ default: false, description: 'Whether webhook addresses may use http.' }),
        timeoutMilliseconds: Type.Integer({
          minimum: 100,
          default: 15_000,
          description: 'Total deadline of one attempt.',
        }),
        retrySeconds: Type.Array(Type.Integer({ minimum: 0 }), {
          default: [5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400],
          description:
            'Waiting time before each retry; the last failure ends the delivery. The default is Standard Webhooks’ example schedule.',
        }),
        concurrency: Type.Integer({
          minimum: 1,
          maximum: 1024,
          default: 64,
          description:
            'Attempts under way at once in this process; those that take longer than a second are not among them, and twice as many at most.',
        }),
        perEndpoint: Type.Integer({
          minimum: 1,
          maximum: 1024,
          default: 16,
          description: 'Attempts under way at once to one endpoint.',
        }),
        pollMilliseconds: Type.Integer({
          minimum: 10,
          default: 500,
          description: 'How often due work is looked for when nothing woke the dispatcher.',
        }),
        proxy: Nullable(Type.String({ format: 'uri', pattern: '^https?://' }), {
          default: null,
          description:
            'A forward proxy (HTTP CONNECT) that every outgoing request goes through. It may be on a private address; the receivers are judged as without it, and then asked for by name, so a name that changes its address after that is for the proxy to refuse. A user name and password in it become Proxy-Authorization.',
        }),
        payloadLimitBytes: Type.Integer({
          minimum: 1024,
          maximum: 1_048_576,
          default: 262_144,
          description: 'Largest body of an event, as JSON in UTF-8.',
        }),
        secretOverlapSeconds: Type.Integer({
          minimum: 0,
          maximum: 604_800,
          default: 86_400,
          description:
            'How long the former secret of an endpoint signs too after a rotation that does not say otherwise.',
        }),
        breaker: Type.Object(
          {
            failures: Type.Integer({
              minimum: 1,
              default: 20,
              description: 'Failures in a row after which an endpoint is left alone for a while.',
            }),
            seconds: Seconds(30, 'How long the first time; twice as long each time it fails again.'),
            mostSeconds: Seconds(600, 'The longest.'),
          },
          { default: {} },
        ),
        disableAfter: Type.Object(
          {
            days: Type.Integer({
              minimum: 1,
              default: 5,
              description: 'Days without one success after which an endpoint is disabled; what it was to get is held.',
            }),
            messages: Type.Integer({
              minimum: 1,
              default: 3,
              description:
                'Events that must have failed in that time: one that no receiver could take disables nothing.',
            }),
          },
          { default: {} },
        ),
        retentionDays: Type.Integer({
          minimum: 1,
          default: 90,
          description: 'How long events, deliveries and attempts are kept; what is held for a disabled endpoint too.',
        }),
      },
      { default: {} },
    ),
    wallet: Type.Object(
      {
        highestPrice: Type.Integer({
          minimum: 1,
          maximum: 1_000_000,
          default: 200,
          description:
            'Highest price of a unit, or of a package, that meters can have, in their currency. 200 is HighLevel’s. A lower one leaves prices alone that are there already.',
        }),
        voidWindowDays: Type.Integer({
          minimum: 0,
          default: 60,
          description: 'How long a charge can be reversed by its application.',
        }),
        batchSize: Type.Integer({
          minimum: 1,
          maximum: 1000,
          default: 256,
          description: 'Most charges in one database transaction.',
        }),
        queueLimit: Type.Integer({
          minimum: 1,
          default: 10_000,
          description:
            'Charges waiting before the host answers 503. Of one application never more than there is room left: half of it, when it is alone.',
        }),
      },
      { default: {} },
    ),
    eventTypes: Type.Array(
      Type.Object(
        {
          type: Type.String({
            pattern: '^[a-z][a-z0-9-]*(\\.[a-z][a-z0-9-]*)+$',
            maxLength: 100,
            description: 'Such as `order.created`.',
          }),
          version: Type.Integer({ minimum: 1, default: 1 }),
          sentence: Type.String({ minLength: 1, description: 'What it tells.' }),
          schema: Type.Record(Type.String(), Type.Unknown(), { description: 'JSON Schema of `data`.' }),
          example: Type.Record(Type.String(), Type.Unknown(), { description: 'A `data` that fits the schema.' }),
          permission: Nullable(Type.String(), {
            default: null,
            description:
              'The permission with which an application may receive it where it is installed; null for no application.',
          }),
        },
        { additionalProperties: false },
      ),
      { default: [], description: 'Events of the embedder’s own, published with host.publish.' },
    ),
    permissions: Type.Array(
      Type.Object(
        {
          name: Type.String({ pattern: '^[a-z][a-z-]*:[a-z][a-z-]*$', description: 'resource:verb' }),
          aliases: Type.Array(Type.String({ pattern: '^[\\w.:/-]+$' }), { default: [] }),
          sentence: Type.String({ minLength: 1 }),
          risk: OneOf(['low', 'medium', 'high'], { default: 'medium' }),
        },
        { additionalProperties: false },
      ),
      { default: [], description: 'Permissions of the embedder’s own API, which applications may ask for.' },
    ),
  },
  { additionalProperties: false },
)

/** The options with every default filled in. */
export type Config = Static<typeof ConfigSchema>

type DeepPartial<T> = T extends unknown[] ? T : T extends object ? { [K in keyof T]?: DeepPartial<T[K]> } : T
type Optional<T, Member extends keyof T> = Omit<T, Member> & Partial<Pick<T, Member>>
/** What an embedder writes: `secret` is the only option without a default. */
export type ConfigInput = Omit<DeepPartial<Config>, 'secret' | 'eventTypes' | 'permissions'> & {
  secret: string
  eventTypes?: Optional<Config['eventTypes'][number], 'version' | 'permission'>[]
  permissions?: Optional<Config['permissions'][number], 'aliases' | 'risk'>[]
}

/** Fills defaults in and refuses what does not fit, with the path of the option. Throws a StoaError `invalid_request`. */
export function parseConfig(input: ConfigInput): Config {
  const config = structuredClone(input) as Config
  const refusal = createSchemaCompiler().body(ConfigSchema)(config)
  if (refusal) {
    const list = refusal.fields.map(({ field, message }) => `${field} ${message}`).join('; ')
    throw new StoaError('invalid_request', { message: `Configuration refused: ${list}`, invalidFields: refusal.fields })
  }
  config.baseUrl = config.baseUrl.replace(/\/+$/, '')
  return config
}
