import * as z from 'zod';
import { ServingSettings, type ServingSettingsInput } from '../../serving/contract/index.ts';
import type { SettingRow } from '../setting-row.ts';

export const dnsLabel = z
  .string()
  .regex(/^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/, 'lower-case letters, digits and dashes');
/** An IPv4 network, and not everyone. */
export const network = z
  .cidrv4('an IPv4 network such as 10.0.0.0/8')
  .refine((cidr) => !cidr.endsWith('/0'), 'a range of /0 is everyone; list the networks');
export const quantity = z.int().min(1);
const receiver = z.strictObject({ key: z.string().min(1), kind: z.enum(['slack', 'pagerduty', 'webhook']) });
const share = z.number().gt(0).lt(1);

/** What a pod is made of decides these: a stack cannot. */
const ownedByTheStack = [
  'modelRoot',
  'stateDir',
  'rest',
  'grpc',
  'management',
  'database',
  'cache',
  'keysFile',
];

/** Settings of the server as a user writes them: checked by its own contract, defaults left to the server. */
const serverSettings = z.record(z.string(), z.unknown()).transform((value, context) => {
  const owned = Object.keys(value).filter((key) => ownedByTheStack.includes(key));
  const { error } = ServingSettings.safeParse({ modelRoot: '/models', stateDir: '/state', ...value });
  for (const key of owned) context.addIssue(`${key} follows from the stack and cannot be set here`);
  for (const { path, message } of error?.issues ?? [])
    context.addIssue([path.join('.'), message].filter(Boolean).join(': '));
  return value as Partial<ServingSettingsInput>;
});

/** Keys of the platforms that run in a cluster. */
export const clusterSettings = {
  namespace: {
    schema: dnsLabel.default('modelmile'),
    help: 'Namespace of everything the stack has in the cluster.',
    change: 'replaces everything in it, the volumes of an in-cluster database too',
  },
  clusterRights: {
    schema: z.boolean().default(true),
    help: 'false: the namespace is there and nothing outside it is touched (no PriorityClass, no node agents).',
    change: 'creates or deletes the namespace: destroy the stack first',
  },
  image: {
    schema: z
      .string()
      .regex(
        /@sha256:[0-9a-f]{64}$/,
        'registry/name@sha256:<64 hex digits>: by digest, or what runs could change',
      )
      .optional(),
    help: 'Serving image by digest; nothing is built then and docker is not needed.',
    change: 'rolls the pods',
  },
  imageRepository: {
    schema: z.string().min(1).optional(),
    help: 'Where to push the image that is built, without a tag. On aws: the ECR of the stack.',
    change: 'builds and pushes there, rolls the pods',
  },
  imageBuildArgs: {
    schema: z
      .record(z.string().regex(/^[A-Z][A-Z0-9_]*$/, 'an ARG of the Dockerfile'), z.string())
      .optional(),
    help: 'Arguments of the Dockerfile: NODE and CUDA name its base images, from a mirror or by digest.',
    change: 'builds another image, rolls the pods',
  },
  imageRegistry: {
    schema: z.string().min(1).optional(),
    help: 'Registry that mirrors the public ones, for Postgres, Prometheus and the like.',
    change: 'restarts them',
  },
  load: {
    schema: z
      .strictObject({
        requestsPerSecond: z.number().positive().default(100),
        rowsPerRequest: quantity.default(1),
        p95Ms: z.number().positive().default(100),
      })
      .prefault({}),
    help: 'What the service must carry: {requestsPerSecond, rowsPerRequest, p95Ms}. Sizes everything.',
    change: 'replicas and resources; rolls the pods',
  },
  accelerator: {
    schema: z.enum(['auto', 'cpu', 'gpu']).default('auto'),
    help: 'auto takes the cheaper of CPU and GPU that keeps the response time.',
    change: 'builds the other image, rolls the pods onto other nodes',
  },
  profile: {
    schema: z.string().min(1).optional(),
    help: 'profile.json of the model, in the checkout; without it sizing assumes, and says so.',
    change: 'replicas and resources; rolls the pods',
  },
  priceFactor: {
    schema: z.number().positive().default(1),
    help: 'Multiplies the list prices of us-east-1: region, discount, spot.',
    change: 'the cost that is printed; with accelerator auto the choice',
  },
  scaleOn: {
    schema: z.enum(['keda', 'cpu', 'none']).default('cpu'),
    help: 'Scales on requests (KEDA, where it is installed), on CPU time, or not at all.',
    change: 'replaces the autoscaler; pods stay',
  },
  exposure: {
    schema: z
      .discriminatedUnion('kind', [
        z.strictObject({ kind: z.literal('cluster') }),
        z.strictObject({
          kind: z.literal('load-balancer'),
          className: z.string().optional(),
          sourceRanges: z.array(network).min(1),
          annotations: z.record(z.string(), z.string()).optional(),
        }),
        z.strictObject({
          kind: z.literal('gateway'),
          className: z.string().min(1),
          hostname: z.hostname(),
          tlsSecretName: dnsLabel,
          dataPlaneNamespace: dnsLabel,
        }),
      ])
      .default({ kind: 'cluster' }),
    help: 'How callers outside the cluster get in: not at all, by a load balancer for listed networks, by a Gateway with TLS.',
    change: 'the address that callers use',
  },
  callers: {
    schema: z.array(dnsLabel).default([]),
    help: 'Namespaces whose pods may call the API.',
    change: 'a NetworkPolicy, at once',
  },
  apiKeysSecret: {
    schema: dnsLabel.optional(),
    help: 'A Secret that is there with keys.json; without it one is made in the cluster, with one key.',
    change: 'rolls the pods',
  },
  serving: {
    schema: serverSettings.default({}),
    help: 'What the server is told beyond what follows from the rest (serving/contract/settings.ts): models with labels (canary, shadow), trustedKeys, batching, logLevel.',
    change: 'rolls the pods',
  },
  nodeSelector: {
    schema: z.record(z.string(), z.string()).optional(),
    help: 'Labels of the nodes to run on. On aws: the first fitting node pool.',
    change: 'rolls the pods onto other nodes',
  },
  storageClass: {
    schema: dnsLabel.optional(),
    help: 'StorageClass of volumes; without it the default of the cluster.',
    change: 'only volumes that are made later',
  },
  monitoring: {
    schema: z
      .strictObject({
        kind: z.enum(['stack', 'operator']).default('stack'),
        operatorNamespace: dnsLabel.default('monitoring'),
        gpuMetrics: z.boolean().default(false),
        retentionDays: quantity.default(15),
        storageGiB: quantity.default(50),
        memoryMiB: z.int().min(512).default(2048),
        runbookUrl: z.string().optional(),
        notifications: z.strictObject({ secretName: dnsLabel, page: receiver, ticket: receiver }).optional(),
        slo: z
          .strictObject({
            availability: share.default(0.999),
            latency: share.default(0.99),
            latencySeconds: z.number().positive().default(0.25),
          })
          .prefault({}),
      })
      .prefault({}),
    help: 'stack runs Prometheus, Alertmanager and Grafana; operator serves kube-prometheus-stack. Objectives, receivers, GPU metrics.',
    change: 'restarts Prometheus; another kind replaces it with its data',
  },
} as const satisfies Record<string, SettingRow>;
