import { createPublicKey } from 'node:crypto';
import { isAbsolute } from 'node:path';
import * as z from 'zod';
import { ports } from './ports.ts';

/** Where one listener binds. Anything beyond loopback needs auth (contract 7: `assertSafeToListen`). */
const listener = (port: number) =>
  z.strictObject({
    host: z.string().default('127.0.0.1'),
    /** 0 takes a free port and reports it. */
    port: z.int().min(0).max(65535).default(port),
  });

/** Which versions of a model are loaded, TensorFlow Serving's version policy. */
export const VersionPolicy = z.union(
  [
    z.strictObject({ latest: z.int().min(1) }),
    z.strictObject({ all: z.literal(true) }),
    z.strictObject({ specific: z.array(z.int().min(1)).min(1) }),
  ],
  { error: 'one of {"latest": 1}, {"all": true}, {"specific": [1, 2]}' },
);
export type VersionPolicy = z.infer<typeof VersionPolicy>;

/**
 * How the version with the label `canary` is tried beside `stable`. It runs in a process of its own: what it does wrong costs no
 * request. It is taken out by itself when it is wrong, slow, failing or crashing, until the settings name another version.
 */
export const Canary = z.strictObject({
  /** Share of the answers of `stable` that the canary works out too, out of the callers' way, to be compared. */
  shadow: z.number().min(0).max(1).default(0.1),
  /** Two numbers a and b agree where |a - b| <= tolerance * (1 + |a|). */
  tolerance: z.number().min(0).default(0.01),
  /** Nothing but crashes is judged before so many answers. */
  minSamples: z.int().min(1).default(50),
  /** Share of compared answers that may differ. */
  maxDifferent: z.number().min(0).max(1).default(0.05),
  /** Share of its answers that may fail. */
  maxFailing: z.number().min(0).max(1).default(0.01),
  /** Median time against that of `stable` for the same requests. */
  maxSlowdown: z.number().min(1).default(3),
});
export type Canary = z.infer<typeof Canary>;

/** One model to serve from the repository `<modelRoot>/<name>/<version>/`. */
export const ServedModel = z
  .strictObject({
    name: z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/, 'letters, digits, dot, dash, underscore'),
    versionPolicy: VersionPolicy.default({ latest: 1 }),
    /** Label -> version, for example `{stable: 3, canary: 4}`. */
    versionLabels: z.record(z.string(), z.int().min(1)).default({}),
    /**
     * Shares of the requests that name neither version nor label, by label, for example `{stable: 95, canary: 5}`. Left out = all of
     * them go to `stable` where there is a canary, else to the latest version.
     */
    weights: z.record(z.string(), z.number().min(0)).default({}),
    canary: Canary.optional(),
  })
  .refine(({ weights, versionLabels }) => Object.keys(weights).every((label) => label in versionLabels), {
    path: ['weights'],
    message: 'each label must be one of versionLabels',
  })
  .refine(
    ({ canary, versionLabels: { stable, canary: tried } }) =>
      canary === undefined || (stable !== undefined && tried !== undefined && stable !== tried),
    { path: ['canary'], message: 'versionLabels must say which version is stable and which other is canary' },
  );
export type ServedModel = z.infer<typeof ServedModel>;

const areNamedOnce = (models: readonly ServedModel[]): boolean =>
  new Set(models.map(({ name }) => name)).size === models.length;

/** A private key would verify too; it has no business with a server. */
function isPublicKey(pem: string): boolean {
  try {
    return !pem.includes('PRIVATE') && createPublicKey(pem).asymmetricKeyType === 'ed25519';
  } catch {
    return false;
  }
}

/**
 * Everything that a server of modelmile can be told. One JSON file, made by `modelmile serve`, by the LocalServer resource or by
 * the container's start-up; the supervisor takes a new one without dropping a request. Every field has a safe default.
 */
export const ServingSettings = z.strictObject({
  /**
   * Model repository (contract 1): an absolute folder, `s3://bucket/prefix`, or `https://host/path` with an `index.json` that lists
   * the versions of each model, as in `{"digits": [1, 2]}`.
   */
  modelRoot: z.string().min(1),
  /** How a repository that is not a folder is reached. What comes from it is kept in stateDir, by digest. */
  store: z
    .strictObject({
      /** Region of the bucket; left out = AWS_REGION. */
      region: z.string().min(1).optional(),
      /** A server other than AWS that speaks S3; buckets are in its path. */
      endpoint: z.url().optional(),
      /** Folder with the file `token`, sent as Bearer to an HTTP repository; read again at every request. */
      credentialsDir: z.string().min(1).optional(),
    })
    .prefault({}),
  /**
   * How often the repository is looked at for new versions; 0 = only at `:reload`, SIGHUP or new settings. One that is still being
   * written, or signed, is refused until it is all there.
   */
  pollSeconds: z.number().min(0).default(0),
  /** Absolute folder of this server's own files: logs, embedded database. */
  stateDir: z.string().refine(isAbsolute, 'must be an absolute folder'),
  /** Models to serve; left out = every model of the repository. */
  models: z.array(ServedModel).refine(areNamedOnce, 'each model is named once').optional(),
  rest: listener(ports.rest).prefault({}),
  grpc: listener(ports.grpc).prefault({}),
  management: listener(ports.management).prefault({}),
  /** Worker processes; 0 = as many as the CPU quota has whole cores, at most 4. */
  workers: z.int().min(0).max(64).default(0),
  /** Threads on which each worker runs a model; 0 = the cores that there are for a worker, for models that gain by more than one. */
  threads: z.int().min(0).max(256).default(0),
  /** ONNX Runtime execution provider; `cuda` fails at start-up where the device is not really used. */
  executionProvider: z.enum(['cpu', 'cuda']).default('cpu'),
  /**
   * Largest request body, REST and gRPC; beyond it 413 / RESOURCE_EXHAUSTED states the limit. A worker holds four of that size at a time
   * of all its callers, half of that of one, and one more of small requests; others are told when to try again.
   */
  maxBodyBytes: z
    .int()
    .min(1024)
    .default(64 * 1024 * 1024),
  /** Pictures that name more pixels than this are refused before they are decoded; 24 megapixels is a camera's. */
  maxImagePixels: z.int().min(1).default(25_000_000),
  /** A request that is not answered by then is 504 and is not computed. */
  requestTimeoutMs: z.int().min(1).default(30_000),
  /** After readiness went off, how long requests are still taken, so that load balancers notice. */
  lameDuckMs: z.int().min(0).default(0),
  /** How long a drain may take before the process ends all the same. */
  drainTimeoutMs: z.int().min(0).default(30_000),
  batching: z
    .strictObject({
      maxBatchSize: z.int().min(1).default(64),
      /** How long a request may wait for company; 0 = batch only what has been parsed by the next tick. */
      batchTimeoutMs: z.number().min(0).default(0),
      /** Rows waiting beyond this many are refused: 429 with Retry-After. */
      maxEnqueued: z.int().min(1).default(4096),
      /** Batches are padded up to one of these sizes; empty = any size. */
      allowedBatchSizes: z.array(z.int().min(1)).default([]),
    })
    .prefault({}),
  /**
   * What JSON does with NaN and Infinity, which it cannot hold: `token` takes and gives the bare words as TensorFlow Serving does,
   * `null` takes and gives null, `reject` refuses them. Binary data carry them always.
   */
  nonFinite: z.enum(['token', 'null', 'reject']).default('token'),
  /** Whether requests may load and unload models of the repository (Open Inference `repository/models/<m>/load`). */
  modelControl: z.boolean().default(false),
  /** Keep the inputs of predictions, so that feedback can become training data. dev only, unless privacy settings allow it. */
  recordInputs: z.boolean().default(false),
  /**
   * Predictions a second and worker that are kept for feedback to refer to, 16 MiB of them as JSON at most; 0 keeps none, and refuses
   * feedback.
   */
  recordPerSecond: z.int().min(0).default(200),
  /** Postgres, which carries the queue too; left out = the embedded one in stateDir, which one server alone can use. */
  database: z
    .strictObject({
      host: z.string().min(1),
      port: z.int().min(1).max(65535).default(5432),
      name: z.string().min(1).default('modelmile'),
      /** Folder with the files `username` and `password`, read again at every connection: rotated passwords need no restart. */
      credentialsDir: z.string().min(1),
      /** Verified against the system's certificates; false only inside a cluster. */
      tls: z.boolean().default(true),
    })
    .optional(),
  /** Valkey or Redis; left out = the embedded cache of each worker. */
  cache: z
    .strictObject({
      host: z.string().min(1),
      port: z.int().min(1).max(65535).default(6379),
      tls: z.boolean().default(true),
      /** The files `password` and, where there is one, `username` of a folder, or the pod's own AWS identity (ElastiCache with IAM). */
      auth: z.union([
        z.strictObject({ credentialsDir: z.string().min(1) }),
        z.strictObject({
          awsIam: z.strictObject({ user: z.string(), cluster: z.string(), region: z.string() }),
        }),
      ]),
    })
    .optional(),
  /**
   * Answers are kept and given again for equal inputs to the same version, in the embedded cache or that of `cache`; left out = none
   * are. Models with a canary are left out: its times are compared. A cache that is away fails no request.
   */
  responseCache: z
    .strictObject({
      ttlSeconds: z.int().min(1).default(300),
      /** Memory of the embedded cache of each worker. */
      maxBytes: z
        .int()
        .min(1024)
        .default(64 * 1024 * 1024),
    })
    .optional(),
  /** Requests whose answers are fetched later (`POST /async/v1/models/<m>:predict`), kept in the database; left out = refused. */
  asyncRequests: z
    .strictObject({
      /** Beyond so many that wait: 429. */
      maxWaiting: z.int().min(1).default(1000),
      /** Answered at a time. */
      concurrency: z.int().min(1).max(64).default(2),
      /** From when on a request that was not begun is given up, and an answer is forgotten. */
      expireSeconds: z.int().min(1).default(3600),
    })
    .optional(),
  /** File of API keys, hashed (KeysFile). Beyond loopback this, `jwt` or `tls.clientCaFile` is needed (contract 7). */
  keysFile: z.string().min(1).optional(),
  /** Bearer tokens of an OpenID Connect issuer are taken too; what they may do is in their claim `scope`, as in KeysFile. */
  jwt: z
    .strictObject({
      issuer: z.url(),
      audience: z.string().min(1),
      /** Where the issuer's public keys are; left out = what its discovery document says. */
      jwksUri: z.url().optional(),
      /** Sustained rate of one subject. Left out = no limit. */
      requestsPerSecond: z.number().positive().optional(),
    })
    .optional(),
  /** REST and gRPC over TLS. The files are read again when they change: no restart, no connection dropped. */
  tls: z
    .strictObject({
      certFile: z.string().min(1),
      keyFile: z.string().min(1),
      /** Clients must show a certificate of this authority when they connect (mTLS); who is connected stays. */
      clientCaFile: z.string().min(1).optional(),
    })
    .optional(),
  /** Ed25519 public keys (PEM). Where there are any, only versions with a valid `manifest.json.sig` are loaded. */
  trustedKeys: z
    .array(
      z.string().refine(isPublicKey, 'no Ed25519 public key in PEM: `openssl pkey -in signing.pem -pubout`'),
    )
    .default([]),
  /** The web page at /console. */
  console: z.boolean().default(true),
  /** A line for each request, with its request and trace id and never with what was sent or answered; refusals get one in any case. */
  accessLog: z.boolean().default(false),
  /**
   * Traces over OTLP/HTTP, W3C trace context in. Left out = none, unless OpenTelemetry's own OTEL_EXPORTER_OTLP_ENDPOINT is set; its
   * OTEL_EXPORTER_OTLP_HEADERS carries a collector's key.
   */
  tracing: z
    .strictObject({
      /** Of the collector, without `/v1/traces`; for example http://collector:4318. */
      endpoint: z.url(),
      /** Share of the traces that begin here; those of callers are kept as they say. */
      sampleRatio: z.number().min(0).max(1).default(1),
    })
    .optional(),
  logLevel: z.enum(['debug', 'info', 'warn', 'error', 'silent']).default('info'),
});
export type ServingSettings = z.infer<typeof ServingSettings>;
/** Settings as a user writes them: everything with a default may be left out. */
export type ServingSettingsInput = z.input<typeof ServingSettings>;
