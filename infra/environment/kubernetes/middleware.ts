import * as pulumi from '@pulumi/pulumi';
import { imageRef } from '../../images.ts';
import type { Labels } from '../../labels.ts';
import { ingressFrom, podsOf } from '../../network-rules.ts';
import { SinglePod } from '../../single-pod.ts';
import { GeneratedSecret } from './generated-secret.ts';

export interface MiddlewareArgs {
  readonly namespace: pulumi.Input<string>;
  /**
   * `in-cluster` runs Postgres (database and queue) and Valkey (cache) in the namespace; `external` takes a Secret that is there with
   * keys `database-url` and `cache-url`, so that no credential passes through the stack.
   */
  readonly kind: 'in-cluster' | 'external';
  /** Name of the Secret with the URLs. @default modelmile-middleware */
  readonly secretName?: string;
  /** Size of the database's volume. A volume can grow, never shrink. @default 20 */
  readonly storageGiB?: number;
  /** @default the cluster's own default class */
  readonly storageClass?: string;
  /** Registry that mirrors the public ones. @default the public ones */
  readonly imageRegistry?: string;
  /** Image with `node` in it, for the Job that makes the passwords. */
  readonly image: pulumi.Input<string>;
  /** Who may connect. */
  readonly clients: readonly [Labels, ...Labels[]];
}

/** Keys of the Secret that the service mounts. */
export const middlewareSecretKeys = { database: 'database-url', cache: 'cache-url' } as const;

/** The middleware of a cluster without managed services: a database that also carries the queue, and a cache. */
export class Middleware extends pulumi.ComponentResource {
  readonly secretName: pulumi.Output<string>;

  constructor(name: string, args: MiddlewareArgs, opts?: pulumi.ComponentResourceOptions) {
    super('modelmile:environment:Middleware', name, {}, opts);
    const secretName = args.secretName ?? 'modelmile-middleware';
    if (args.kind === 'external') {
      this.secretName = pulumi.output(secretName);
      this.registerOutputs({ secretName: this.secretName });
      return;
    }
    const secret = new GeneratedSecret(
      `${name}-secret`,
      {
        namespace: args.namespace,
        secretName,
        image: args.image,
        random: ['database-password', 'cache-password'],
        templates: {
          [middlewareSecretKeys.database]:
            // biome-ignore lint/suspicious/noTemplateCurlyInString: filled in inside the cluster, by the Job
            'postgres://modelmile:${database-password}@modelmile-database:5432/modelmile',
          // biome-ignore lint/suspicious/noTemplateCurlyInString: filled in inside the cluster, by the Job
          [middlewareSecretKeys.cache]: 'redis://:${cache-password}@modelmile-cache:6379/0',
        },
      },
      { parent: this },
    );
    const fromSecret = (variable: string, key: string) => ({
      name: variable,
      valueFrom: { secretKeyRef: { name: secret.secretName, key } },
    });
    const [first, ...others] = args.clients;
    const open = (port: number) => [ingressFrom([podsOf(first), ...others.map(podsOf)], port)];
    const storageClass = args.storageClass === undefined ? {} : { storageClass: args.storageClass };
    new SinglePod(
      `${name}-database`,
      {
        namespace: args.namespace,
        component: 'database',
        ingress: open(5432),
        image: imageRef('postgres', args.imageRegistry),
        port: 5432,
        uid: 999,
        env: [
          { name: 'POSTGRES_USER', value: 'modelmile' },
          { name: 'POSTGRES_DB', value: 'modelmile' },
          fromSecret('POSTGRES_PASSWORD', 'database-password'),
          { name: 'POSTGRES_INITDB_ARGS', value: '--auth-host=scram-sha-256 --data-checksums' },
          { name: 'PGDATA', value: '/var/lib/postgresql/data/pgdata' },
        ],
        ready: { command: ['pg_isready', '--username=modelmile', '--host=127.0.0.1'] },
        data: { path: '/var/lib/postgresql/data', gib: args.storageGiB ?? 20, ...storageClass },
        scratch: ['/var/run/postgresql', '/tmp'],
        cpuMillis: 500,
        memoryMiB: 1024,
      },
      { parent: this },
    );
    new SinglePod(
      `${name}-cache`,
      {
        namespace: args.namespace,
        component: 'cache',
        ingress: open(6379),
        image: imageRef('valkey', args.imageRegistry),
        port: 6379,
        uid: 999,
        // Kubernetes fills $(...) in: no shell, and the password is in no manifest.
        args: [
          'valkey-server',
          '--requirepass',
          '$(CACHE_PASSWORD)',
          '--maxmemory',
          '384mb',
          '--maxmemory-policy',
          'allkeys-lru',
        ],
        env: [fromSecret('CACHE_PASSWORD', 'cache-password'), fromSecret('REDISCLI_AUTH', 'cache-password')],
        ready: { command: ['valkey-cli', 'ping'] },
        scratch: ['/data', '/tmp'],
        cpuMillis: 100,
        memoryMiB: 512,
      },
      { parent: this },
    );
    this.secretName = secret.secretName;
    this.registerOutputs({ secretName: this.secretName });
  }
}
