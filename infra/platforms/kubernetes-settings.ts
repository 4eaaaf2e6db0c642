import * as z from 'zod';
import type { SettingRow } from '../setting-row.ts';
import { dnsLabel, network, quantity } from './cluster-settings.ts';

const external = z.strictObject({
  host: z.string().min(1),
  port: z.int().min(1).max(65535).optional(),
  secretName: dnsLabel,
  cidr: network,
});

/** Keys of platform kubernetes. */
export const kubernetesSettings = {
  kubeContext: {
    schema: z.string().min(1).optional(),
    help: 'Context of the kubeconfig; without it the current one.',
    change: 'another cluster: destroy the stack first',
  },
  modelStore: {
    schema: z
      .string()
      .regex(
        /^(config-map|(s3|https):\/\/.+|volume:[a-z0-9]([-a-z0-9]*[a-z0-9])?)$/,
        'config-map, s3://..., https://... or volume:<claim>',
      )
      .default('config-map'),
    help: 'Where pods find the models: in ConfigMaps (below 1 MiB each), in a store that they read, in a volume.',
    change: 'rolls the pods',
  },
  middleware: {
    schema: z
      .union([z.literal('in-cluster'), z.strictObject({ database: external, cache: external })])
      .default('in-cluster'),
    help: 'Postgres and Valkey in the namespace, or by address: {database, cache}: {host, port, secretName, cidr}.',
    change: 'rolls the pods; data do not move',
  },
  quota: {
    schema: z
      .strictObject({
        cpus: quantity.default(64),
        memoryGiB: quantity.default(256),
        gpus: z.int().min(0).default(16),
        pods: quantity.default(100),
      })
      .prefault({}),
    help: 'What all pods of the namespace may ask for together.',
    change: 'at once; running pods stay',
  },
} as const satisfies Record<string, SettingRow>;
