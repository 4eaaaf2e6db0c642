import * as pulumi from '@pulumi/pulumi';
import { ec2, elasticache, vpc } from './sdk.ts';

export interface CacheArgs {
  readonly vpcId: pulumi.Input<string>;
  readonly subnetIds: readonly pulumi.Input<string>[];
  /** Security group of the pods that may connect. */
  readonly clientSecurityGroupId: pulumi.Input<string>;
  /** Encrypts what is kept. Changing it replaces the cache, which is then empty. */
  readonly keyArn: pulumi.Input<string>;
  /** Changed in the next maintenance window. @default 'cache.t4g.small' */
  readonly nodeType?: string | undefined;
  /** Copies, in zones of their own; the first answers writes. @default 2 */
  readonly nodes?: number | undefined;
}

/** Valkey: encrypted on the way and at rest, in two zones. Its user signs in with the pod's own IAM identity, so there is no password. */
export class Cache extends pulumi.ComponentResource {
  readonly host: pulumi.Output<string>;
  readonly userName: string;
  readonly clusterName: string;
  /** What the pods' role needs `elasticache:Connect` on. */
  readonly connectArns: pulumi.Output<string>[];

  constructor(name: string, args: CacheArgs, opts?: pulumi.ComponentResourceOptions) {
    super('modelmile:environment:Cache', name, {}, opts);
    const child = { parent: this };
    const subnets = new elasticache.SubnetGroup(name, { subnetIds: [...args.subnetIds] }, child);
    const group = new ec2.SecurityGroup(
      name,
      { vpcId: args.vpcId, description: 'Valkey of modelmile', tags: { Name: name } },
      child,
    );
    new vpc.SecurityGroupIngressRule(
      name,
      {
        securityGroupId: group.id,
        description: 'Valkey from the cluster',
        referencedSecurityGroupId: args.clientSecurityGroupId,
        ipProtocol: 'tcp',
        fromPort: 6379,
        toPort: 6379,
      },
      child,
    );
    // With IAM the name must equal the id.
    this.userName = 'modelmile';
    this.clusterName = name;
    const user = new elasticache.User(
      name,
      {
        userId: this.userName,
        userName: this.userName,
        engine: 'valkey',
        authenticationMode: { type: 'iam' },
        accessString: 'on ~* +@all -@admin -@dangerous',
      },
      child,
    );
    const users = new elasticache.UserGroup(
      name,
      { userGroupId: name, engine: 'valkey', userIds: [user.userId] },
      child,
    );
    const nodes = args.nodes ?? 2;
    const cluster = new elasticache.ReplicationGroup(
      name,
      {
        replicationGroupId: name,
        description: 'Cache of modelmile',
        engine: 'valkey',
        engineVersion: '8.1',
        nodeType: args.nodeType ?? 'cache.t4g.small',
        numCacheClusters: nodes,
        automaticFailoverEnabled: nodes > 1,
        multiAzEnabled: nodes > 1,
        subnetGroupName: subnets.name,
        securityGroupIds: [group.id],
        atRestEncryptionEnabled: true,
        kmsKeyId: args.keyArn,
        transitEncryptionEnabled: true,
        transitEncryptionMode: 'required',
        userGroupIds: [users.userGroupId],
        snapshotRetentionLimit: 7,
        autoMinorVersionUpgrade: true,
        applyImmediately: false,
      },
      child,
    );
    this.host = cluster.primaryEndpointAddress;
    this.connectArns = [cluster.arn, user.arn];
    this.registerOutputs({ host: this.host });
  }
}
