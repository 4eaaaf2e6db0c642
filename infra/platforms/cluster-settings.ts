import { z } from 'zod';
import { ServedModel } from '../../serving/contract/index.ts';
import { type InstanceTypeName, instanceTypes } from '../environment/hardware.ts';

const dnsLabel = z
  .string()
  .regex(/^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/, 'lower-case letters, digits and dashes');
const cidr = z.cidrv4('an IPv4 network such as 10.0.0.0/8');
const quantity = z.int().min(1);
const receiver = z.strictObject({ key: z.string().min(1), kind: z.enum(['slack', 'pagerduty', 'webhook']) });
const external = z.strictObject({
  host: z.string().min(1),
  port: z.int().min(1).max(65535).optional(),
  /** A Secret that is there, with keys `username` and `password`. */
  secretName: dnsLabel,
  /** Its addresses, for the NetworkPolicy. */
  cidr,
});

/** What both cluster platforms take: the stack key `modelmile:service`. */
export const ServiceSettings = z.strictObject({
  /** Replaces everything in the cluster. */
  namespace: dnsLabel.default('modelmile'),
  /** false: the namespace is there, and nothing outside it is touched (no PriorityClass, no node agents). */
  clusterRights: z.boolean().default(true),
  /** `registry/name@sha256:...`: then nothing is built and docker is not needed. */
  image: z.string().optional(),
  /** Where to push what is built, without a tag; on AWS it is the stack's own ECR. */
  imageRepository: z.string().optional(),
  /** Registry that mirrors the public ones. */
  imageRegistry: z.string().optional(),
  /** What the service must carry. */
  load: z
    .strictObject({
      requestsPerSecond: z.number().positive().default(100),
      rowsPerRequest: quantity.default(1),
      p95Ms: z.number().positive().default(100),
    })
    .prefault({}),
  accelerator: z.enum(['auto', 'cpu', 'gpu']).default('auto'),
  /** profile.json of the model, relative to the checkout; without it the plan rests on assumptions and says so. */
  profile: z.string().optional(),
  /** Multiplies the list prices: region, discount, spot. */
  priceFactor: z.number().positive().default(1),
  /** `keda` where KEDA is installed. */
  scaleOn: z.enum(['keda', 'cpu', 'none']).default('cpu'),
  exposure: z
    .discriminatedUnion('kind', [
      z.strictObject({ kind: z.literal('cluster') }),
      z.strictObject({
        kind: z.literal('load-balancer'),
        className: z.string().optional(),
        sourceRanges: z.array(cidr).min(1),
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
  /** Namespaces whose pods may call. */
  callers: z.array(dnsLabel).default([]),
  /** A Secret with `keys.json`; left out = one is made in the cluster. */
  apiKeysSecret: dnsLabel.optional(),
  /** Versions and labels, so canary and shadow; left out = the newest version of every model. */
  models: z.array(ServedModel).optional(),
  /** Nodes to run on. */
  nodeSelector: z.record(z.string(), z.string()).optional(),
  storageClass: z.string().optional(),
  monitoring: z
    .strictObject({
      kind: z.enum(['stack', 'operator']).default('stack'),
      operatorNamespace: dnsLabel.default('monitoring'),
      /** GPU metrics by DCGM; needs cluster rights. */
      gpuMetrics: z.boolean().default(false),
      retentionDays: quantity.default(15),
      storageGiB: quantity.default(50),
      runbookUrl: z.string().optional(),
      notifications: z.strictObject({ secretName: dnsLabel, page: receiver, ticket: receiver }).optional(),
      slo: z
        .strictObject({
          availability: z.number().optional(),
          latency: z.number().optional(),
          latencySeconds: z.number().optional(),
        })
        .prefault({}),
    })
    .prefault({}),
});
export type ServiceSettings = z.infer<typeof ServiceSettings>;

/** The stack key `modelmile:kubernetes`. */
export const KubernetesSettings = z.strictObject({
  /** Context of the kubeconfig; left out = the current one. */
  context: z.string().optional(),
  /** `config-map` for models below 1 MiB, else `s3://...`, `https://...` or `volume:<claim>`. */
  modelStore: z
    .string()
    .regex(
      /^(config-map|(s3|https):\/\/.+|volume:[a-z0-9-]+)$/,
      'config-map, s3://..., https://... or volume:<claim>',
    )
    .default('config-map'),
  /** Postgres and Valkey in the namespace, or by address. */
  middleware: z
    .union([z.literal('in-cluster'), z.strictObject({ database: external, cache: external })])
    .default('in-cluster'),
  quota: z
    .strictObject({ cpus: quantity, memoryGiB: quantity, gpus: z.int().min(0), pods: quantity })
    .partial()
    .prefault({}),
});
export type KubernetesSettings = z.infer<typeof KubernetesSettings>;

const instanceTypeName = z.enum(Object.keys(instanceTypes) as [InstanceTypeName, ...InstanceTypeName[]]);
const poolName = z.string().regex(/^[a-z][a-z0-9-]{0,19}$/, 'up to 20 lower-case letters, digits and dashes');

/** One pool of nodes: elastic (EKS Auto Mode) or fixed (managed node group). */
export const NodePoolSettings = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z.literal('elastic'),
    name: poolName,
    instanceTypes: z.array(instanceTypeName).min(1),
    capacity: z.enum(['spot-first', 'on-demand', 'reserved-first']).default('on-demand'),
    limits: z.strictObject({ cpus: quantity, memoryGiB: quantity, gpus: z.int().min(0).default(0) }),
    consolidateAfter: z
      .string()
      .regex(/^\d+[smh]$/, 'a duration such as 5m')
      .default('5m'),
    expireAfter: z
      .string()
      .regex(/^\d+h$/, 'hours such as 336h')
      .default('336h'),
  }),
  z.strictObject({
    kind: z.literal('fixed'),
    name: poolName,
    instanceType: instanceTypeName,
    amiRelease: z.string().regex(/^\d+\.\d+\.\d+-\d{8}$/, 'a pinned release such as 1.34.4-20260318'),
    minNodes: z.int().min(0),
    maxNodes: quantity,
    reservation: z
      .strictObject({
        id: z.string().regex(/^cr-[0-9a-f]+$/, 'the id of a capacity reservation, cr-...'),
        kind: z.enum(['on-demand', 'capacity-block']),
      })
      .optional(),
    replacement: z.enum(['blue-green', 'rolling']).optional(),
    diskGiB: z.int().min(50).default(200),
  }),
]);

/** The stack key `modelmile:aws`. */
export const AwsSettings = z.strictObject({
  /** Any other account is refused. */
  accountId: z.string().regex(/^\d{12}$/, 'twelve digits'),
  region: z.string().regex(/^[a-z]{2}(-[a-z]+)+-\d$/, 'a region such as eu-central-1'),
  zones: z.array(z.string()).length(3, 'exactly three').optional(),
  /** Replaces the network and everything in it. */
  vpcCidr: cidr.default('10.20.0.0/16'),
  natGateways: z.enum(['per-zone', 'single']).default('per-zone'),
  kubernetes: z
    .string()
    .regex(/^1\.\d{2}$/, 'a minor version such as 1.34')
    .default('1.34'),
  clusterAdmins: z
    .array(z.string().regex(/^arn:aws[a-z-]*:iam::\d{12}:(role|user)\/.+$/, 'the ARN of an IAM role or user'))
    .min(1, 'name the role that runs `up`, or nobody reaches the cluster'),
  endpointAccess: z
    .union([z.literal('private'), z.strictObject({ cidrs: z.array(cidr).min(1) })])
    .default('private'),
  nodePools: z.array(NodePoolSettings).min(1),
  podAddresses: z.enum(['prefix', 'single']).default('prefix'),
  /** false only for stacks that come and go: then data go with them. */
  protectData: z.boolean().default(true),
  database: z.strictObject({ instanceClass: z.string(), multiAz: z.boolean() }).partial().prefault({}),
  cache: z.strictObject({ nodeType: z.string(), nodes: quantity }).partial().prefault({}),
  budget: z.strictObject({ usdPerMonth: z.number().positive(), emails: z.array(z.email()).min(1) }),
});
export type AwsSettings = z.infer<typeof AwsSettings>;
