import type * as k8s from '@pulumi/kubernetes';
import * as pulumi from '@pulumi/pulumi';
import type { ServingSettingsInput } from '../../../serving/contract/index.ts';
import { imageRef } from '../../images.ts';
import { type Labels, labelsOf } from '../../labels.ts';
import { addresses, egressTo, ingressFrom, podsOf } from '../../network-rules.ts';
import { SinglePod } from '../../single-pod.ts';
import { GeneratedSecret } from './generated-secret.ts';

type EgressRule = k8s.types.input.networking.v1.NetworkPolicyEgressRule;

/** A server that others run: where it is, and the Secret (keys `username`, `password`) that is there already. */
export interface ExternalServer {
  readonly host: string;
  readonly port?: number | undefined;
  readonly secretName: string;
  /** Its addresses, for the NetworkPolicy. */
  readonly cidr: string;
}

/** `in-cluster` runs Postgres and Valkey in the namespace; else they are by address, and no credential passes through the stack. */
export type MiddlewareKind =
  | 'in-cluster'
  | { readonly database: ExternalServer; readonly cache: ExternalServer };

export interface MiddlewareArgs {
  readonly namespace: pulumi.Input<string>;
  readonly kind: MiddlewareKind;
  /** Size of the database's volume. A volume can grow, never shrink. @default 20 */
  readonly storageGiB?: number | undefined;
  /** @default the cluster's own default class */
  readonly storageClass?: string | undefined;
  /** Registry that mirrors the public ones. @default the public ones */
  readonly imageRegistry?: string | undefined;
  /** Image with `node` in it, for the Job that makes the passwords. */
  readonly image: pulumi.Input<string>;
  /** Where the service mounts Secrets: `<secretsDir>/<name>`. */
  readonly secretsDir: string;
  /** Who may connect. */
  readonly clients: Labels;
}

const ports = { database: 5432, cache: 6379 } as const;

/** The middleware of a cluster without managed services: a database that also carries the queue, and a cache. */
export class Middleware extends pulumi.ComponentResource {
  /** What the server is told. */
  readonly settings: Pick<ServingSettingsInput, 'database' | 'cache'>;
  /** Folder below `secretsDir` -> Secret. */
  readonly secrets: { readonly database: pulumi.Output<string>; readonly cache: pulumi.Output<string> };
  /** What the service may connect to. */
  readonly egress: readonly EgressRule[];

  constructor(name: string, args: MiddlewareArgs, opts?: pulumi.ComponentResourceOptions) {
    super('modelmile:environment:Middleware', name, {}, opts);
    const { kind } = args;
    const inCluster = kind === 'in-cluster';
    const place = (of: 'database' | 'cache') => ({
      host: inCluster ? `modelmile-${of}` : kind[of].host,
      port: inCluster ? ports[of] : (kind[of].port ?? ports[of]),
      // In the cluster the NetworkPolicy is the fence; beyond it nothing travels in the clear.
      tls: !inCluster,
    });
    const credentialsDir = (of: string) => `${args.secretsDir}/${of}`;
    this.settings = {
      database: { ...place('database'), credentialsDir: credentialsDir('database') },
      cache: { ...place('cache'), auth: { credentialsDir: credentialsDir('cache') } },
    };
    this.egress = (['database', 'cache'] as const).map((of) =>
      egressTo([inCluster ? podsOf(labelsOf(of)) : addresses(kind[of].cidr)], place(of).port),
    );
    this.secrets = inCluster
      ? this.run(name, args)
      : {
          database: pulumi.output(kind.database.secretName),
          cache: pulumi.output(kind.cache.secretName),
        };
    this.registerOutputs({});
  }

  private run(name: string, args: MiddlewareArgs) {
    const child = { parent: this };
    const credentials = (of: string) =>
      new GeneratedSecret(
        `${name}-${of}-credentials`,
        {
          namespace: args.namespace,
          secretName: `modelmile-${of}`,
          image: args.image,
          random: ['password'],
          templates: { username: 'modelmile' },
        },
        child,
      ).secretName;
    const database = credentials('database');
    const cache = credentials('cache');
    const password = (variable: string, secretName: pulumi.Output<string>) => ({
      name: variable,
      valueFrom: { secretKeyRef: { name: secretName, key: 'password' } },
    });
    new SinglePod(
      `${name}-database`,
      {
        namespace: args.namespace,
        component: 'database',
        image: imageRef('postgres', args.imageRegistry),
        port: ports.database,
        uid: 999,
        env: [
          { name: 'POSTGRES_USER', value: 'modelmile' },
          { name: 'POSTGRES_DB', value: 'modelmile' },
          password('POSTGRES_PASSWORD', database),
          { name: 'POSTGRES_INITDB_ARGS', value: '--auth-host=scram-sha-256 --data-checksums' },
          { name: 'PGDATA', value: '/var/lib/postgresql/data/pgdata' },
        ],
        ready: { command: ['pg_isready', '--username=modelmile', '--host=127.0.0.1'] },
        data: {
          path: '/var/lib/postgresql/data',
          gib: args.storageGiB ?? 20,
          storageClass: args.storageClass,
        },
        scratch: ['/var/run/postgresql', '/tmp'],
        cpuMillis: 500,
        memoryMiB: 1024,
        ingress: [ingressFrom([podsOf(args.clients)], ports.database)],
      },
      child,
    );
    new SinglePod(
      `${name}-cache`,
      {
        namespace: args.namespace,
        component: 'cache',
        image: imageRef('valkey', args.imageRegistry),
        port: ports.cache,
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
        env: [password('CACHE_PASSWORD', cache), password('REDISCLI_AUTH', cache)],
        ready: { command: ['valkey-cli', 'ping'] },
        scratch: ['/data', '/tmp'],
        cpuMillis: 100,
        memoryMiB: 512,
        ingress: [ingressFrom([podsOf(args.clients)], ports.cache)],
      },
      child,
    );
    return { database, cache };
  }
}
