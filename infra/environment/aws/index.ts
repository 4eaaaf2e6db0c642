import * as k8s from '@pulumi/kubernetes';
import * as pulumi from '@pulumi/pulumi';
import type { ServingSettingsInput } from '../../../serving/contract/index.ts';
import { type InstanceTypeName, instanceType } from '../hardware.ts';
import { Namespace, type NamespaceArgs } from '../kubernetes/namespace.ts';
import { NodeAgents } from '../kubernetes/node-agents.ts';
import { type Account, account } from './account.ts';
import { Addons } from './addons.ts';
import { Budget } from './budget.ts';
import { Cache } from './cache.ts';
import { Cluster, defaultServiceCidr, type EndpointAccess } from './cluster.ts';
import { Database } from './database.ts';
import { ElasticPool, type ElasticPoolArgs, NodeClass, poolLabel } from './elastic-pool.ts';
import { EncryptionKey } from './encryption-key.ts';
import { FixedPool, type FixedPoolArgs } from './fixed-pool.ts';
import { ModelStore, type StoredModel } from './model-store.ts';
import { Network } from './network.ts';
import { Registry } from './registry.ts';
import { WorkloadIdentity } from './workload-identity.ts';

/** A pool of nodes as a stack writes it: one shape for both kinds, told apart by `kind`. */
export type NodePool = { readonly name: string } & (
  | ({ readonly kind: 'elastic'; readonly instanceTypes: readonly InstanceTypeName[] } & Pick<
      ElasticPoolArgs,
      'capacity' | 'limits' | 'consolidateAfter' | 'expireAfter'
    >)
  | ({ readonly kind: 'fixed' } & Pick<
      FixedPoolArgs,
      'instanceType' | 'amiRelease' | 'minNodes' | 'maxNodes' | 'reservation' | 'replacement' | 'diskGiB'
    >)
);

export interface AwsEnvironmentArgs {
  /** Twelve digits. The provider refuses any other account; another one is another stack. */
  readonly accountId: string;
  /** Changing it replaces everything. */
  readonly region: string;
  /** Changing them replaces subnets and what is in them. @default `${region}a`, `b`, `c` */
  readonly zones?: readonly string[] | undefined;
  /** Changing it replaces the network and everything in it. @default '10.20.0.0/16' */
  readonly vpcCidr?: string | undefined;
  /** Changing it replaces routes: outgoing connections break once. @default 'per-zone' */
  readonly natGateways?: 'per-zone' | 'single' | undefined;
  /** Raising it upgrades in place; it cannot be lowered. @default '1.34' */
  readonly kubernetesVersion?: string | undefined;
  /** IAM principals; whoever runs `up` is one. Changed in place. */
  readonly clusterAdmins: readonly string[];
  /** Changed in place, some minutes. @default 'private' */
  readonly endpointAccess?: EndpointAccess | undefined;
  /** Elastic pools drift node by node, fixed ones are replaced as they say. */
  readonly nodePools: readonly NodePool[];
  /** See NodeClassArgs. Nodes drift one by one. @default 'prefix' */
  readonly podAddresses?: 'prefix' | 'single' | undefined;
  /** A new version is uploaded beside the old ones. */
  readonly models: readonly StoredModel[];
  /** Namespace of the service. Another name replaces everything in it. */
  readonly namespace: string;
  /** See NamespaceArgs. Changed at once; running pods stay. */
  readonly quota?: NamespaceArgs['quota'];
  /** Mirror of the public registries, for what runs on the nodes. @default the public ones */
  readonly imageRegistry?: string | undefined;
  /** DCGM on every GPU node. @default false */
  readonly gpuMetrics?: boolean | undefined;
  /** Version in the serving image, for the check against drivers. */
  readonly onnxruntime: string;
  /** Refuses deletion of what holds data, and of the cluster. @default true */
  readonly protectData?: boolean | undefined;
  /** Changed in the next maintenance window. @default db.m7g.large in two zones */
  readonly database?: { readonly instanceClass?: string | undefined; readonly multiAz?: boolean };
  /** Changed in the next maintenance window. @default two of cache.t4g.small */
  readonly cache?: { readonly nodeType?: string | undefined; readonly nodes?: number };
  /** Who is told at half, at 80 % and at a forecast above this much a month. */
  readonly budget: { readonly usdPerMonth: number; readonly emails: readonly string[] };
}

const defaults = { kubernetes: '1.34', vpcCidr: '10.20.0.0/16' } as const;

/** environment = g(hardware, OS parameters, middleware) on AWS. */
export class AwsEnvironment extends pulumi.ComponentResource {
  readonly account: Account;
  readonly cluster: Cluster;
  /** For everything in the cluster. */
  readonly kubernetes: k8s.Provider;
  readonly registry: Registry;
  readonly modelStore: ModelStore;
  readonly database: Database;
  readonly cache: Cache;
  readonly namespace: Namespace;
  readonly identity: WorkloadIdentity;

  constructor(name: string, args: AwsEnvironmentArgs, opts?: pulumi.ComponentResourceOptions) {
    super('modelmile:environment:AwsEnvironment', name, {}, opts);
    const child = { parent: this };
    const where = account(args.accountId, args.region, args.zones);
    const kubernetes = args.kubernetesVersion ?? defaults.kubernetes;
    const protect = args.protectData ?? true;
    this.account = where;
    const keyArn = new EncryptionKey(
      `${name}-key`,
      { account: where, purpose: `modelmile ${name}: everything at rest` },
      { ...child, protect },
    ).arn;
    const network = new Network(
      `${name}-network`,
      {
        account: where,
        cidr: args.vpcCidr ?? defaults.vpcCidr,
        keyArn,
        natGateways: args.natGateways,
        keepLogs: protect,
      },
      child,
    );
    const subnetIds = network.privateSubnetIds;
    this.cluster = new Cluster(
      name,
      {
        account: where,
        kubernetes,
        subnetIds,
        keyArn,
        admins: args.clusterAdmins,
        deletionProtection: protect,
        endpointAccess: args.endpointAccess,
      },
      // Nodes must reach AWS until the last of them is gone.
      { ...child, dependsOn: [network] },
    );
    this.kubernetes = new k8s.Provider(
      name,
      {
        kubeconfig: this.cluster.kubeconfig,
        clusterIdentifier: `${where.accountId}/${where.region}/${name}`,
        enableServerSideApply: true,
      },
      // Before the access entries are there nobody gets in, and once they are gone nothing can be deleted any more.
      { ...child, dependsOn: [this.cluster] },
    );
    const inCluster = { ...child, providers: [this.kubernetes] };
    const addons = this.nodes(name, args, { account: where, kubernetes, subnetIds, keyArn });
    this.registry = new Registry(
      `${name}-registry`,
      { repositoryName: name, keyArn, forceDelete: !protect },
      child,
    );
    this.modelStore = new ModelStore(
      `${name}-models`,
      {
        bucketName: `${name}-${where.accountId}-${where.region}`,
        keyArn,
        models: args.models,
        forceDestroy: !protect,
      },
      child,
    );
    const stateful = {
      account: where,
      vpcId: network.vpcId,
      subnetIds,
      clientSecurityGroupId: this.cluster.securityGroupId,
      keyArn,
    };
    this.database = new Database(
      `${name}-database`,
      { ...stateful, deletionProtection: protect, ...args.database },
      child,
    );
    this.cache = new Cache(`${name}-cache`, { ...stateful, ...args.cache }, child);
    this.namespace = new Namespace(
      `${name}-namespace`,
      { name: args.namespace, quota: args.quota, dnsCidr: defaultServiceCidr },
      inCluster,
    );
    this.identity = new WorkloadIdentity(
      `${name}-serving`,
      {
        account: where,
        clusterName: this.cluster.name,
        namespace: this.namespace.name,
        serviceAccount: 'modelmile-serving',
        bucketArn: this.modelStore.bucketArn,
        keyArn,
        databaseSecretArn: this.database.secretArn,
        cacheArns: this.cache.connectArns,
        addons,
      },
      inCluster,
    );
    new Budget(`${name}-budget`, { accountId: where.accountId, stack: name, ...args.budget }, child);
    this.registerOutputs({ cluster: this.cluster.name });
  }

  /** What the server is told of database, cache and model store; the database's credentials are mounted below `secretsDir`. */
  middleware(secretsDir: string): pulumi.Output<Pick<ServingSettingsInput, 'database' | 'cache' | 'store'>> {
    return pulumi.all([this.database.host, this.cache.host]).apply(([database, cache]) => ({
      // Its credentials are the pod's own, by Pod Identity.
      store: { region: this.account.region },
      database: { host: database, credentialsDir: `${secretsDir}/database` },
      cache: {
        host: cache,
        auth: {
          awsIam: { user: this.cache.userName, cluster: this.cache.clusterName, region: this.account.region },
        },
      },
    }));
  }

  /** Node pools, in the order that a tear-down reverses: class, pools, add-ons, agents. */
  private nodes(
    name: string,
    args: AwsEnvironmentArgs,
    shared: Pick<FixedPoolArgs, 'account' | 'kubernetes' | 'subnetIds' | 'keyArn'>,
  ): Addons {
    const child = { parent: this };
    const inCluster = { ...child, providers: [this.kubernetes] };
    const fixedPools = args.nodePools.some((pool) => pool.kind === 'fixed');
    const nodeClass = new NodeClass(
      `${name}-nodes`,
      {
        nodeRoleName: this.cluster.nodeRoleName,
        subnetIds: shared.subnetIds,
        securityGroupId: this.cluster.securityGroupId,
        keyArn: shared.keyArn,
        podAddresses: args.podAddresses,
      },
      inCluster,
    );
    for (const pool of args.nodePools) {
      if (pool.kind === 'fixed') {
        new FixedPool(
          `${name}-${pool.name}`,
          {
            ...pool,
            ...shared,
            groupName: pool.name,
            clusterName: this.cluster.name,
            onnxruntime: args.onnxruntime,
          },
          child,
        );
        continue;
      }
      const gpu = pool.instanceTypes.map((type) => instanceType(type).gpu).find((one) => one !== undefined);
      new ElasticPool(
        `${name}-${pool.name}`,
        {
          ...pool,
          nodeClassName: nodeClass.name,
          machines: { instanceTypes: pool.instanceTypes, ...(gpu ? { gpu } : {}) },
        },
        inCluster,
      );
    }
    const devicePlugin = args.nodePools.some(
      (pool) => pool.kind === 'fixed' && instanceType(pool.instanceType).gpu !== undefined,
    );
    const metrics = args.gpuMetrics ?? false;
    if (devicePlugin || metrics) {
      const { imageRegistry } = args;
      new NodeAgents(`${name}-agents`, { devicePlugin, metrics, imageRegistry }, inCluster);
    }
    return new Addons(
      `${name}-addons`,
      { account: shared.account, clusterName: this.cluster.name, fixedPools },
      child,
    );
  }
}

/** Label by which pods choose a pool; none where there is no pool for them. */
export const selectPool = (stack: string, pool: string | undefined): Record<string, string> | undefined =>
  pool === undefined
    ? undefined
    : {
        [poolLabel]: `${stack}-${pool}`,
      };
