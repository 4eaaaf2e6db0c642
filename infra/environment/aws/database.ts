import * as pulumi from '@pulumi/pulumi';
import type { Account } from './account.ts';
import { ServiceRole } from './iam.ts';
import { ec2, rds, vpc } from './sdk.ts';

export interface DatabaseArgs {
  readonly account: Account;
  readonly vpcId: pulumi.Input<string>;
  readonly subnetIds: readonly pulumi.Input<string>[];
  /** Security group of the pods that may connect. */
  readonly clientSecurityGroupId: pulumi.Input<string>;
  /** Encrypts data, backups and the password. Changing it replaces the database. */
  readonly keyArn: pulumi.Input<string>;
  /** Changing it restarts the database with a short fail-over. @default 'db.m7g.large' */
  readonly instanceClass?: string | undefined;
  /** A second copy in another zone that takes over by itself. @default true */
  readonly multiAz?: boolean | undefined;
  /** Days back to which any second can be restored. @default 14 */
  readonly backupRetentionDays?: number | undefined;
  /** @default 50, growing by itself to ten times that */
  readonly storageGiB?: number | undefined;
  /** Refuses deletion and keeps a last snapshot. @default true */
  readonly deletionProtection?: boolean | undefined;
}

/** Postgres for predictions, feedback and the queue. Its password is made and rotated by RDS in Secrets Manager: nobody here ever sees it. */
export class Database extends pulumi.ComponentResource {
  readonly host: pulumi.Output<string>;
  /** Secret with `username` and `password`. */
  readonly secretArn: pulumi.Output<string>;

  constructor(name: string, args: DatabaseArgs, opts?: pulumi.ComponentResourceOptions) {
    super('modelmile:environment:Database', name, {}, opts);
    const child = { parent: this };
    const { accountId, partition } = args.account;
    const subnets = new rds.SubnetGroup(name, { subnetIds: [...args.subnetIds] }, child);
    const group = new ec2.SecurityGroup(
      name,
      { vpcId: args.vpcId, description: 'Postgres of modelmile', tags: { Name: name } },
      child,
    );
    new vpc.SecurityGroupIngressRule(
      name,
      {
        securityGroupId: group.id,
        description: 'Postgres from the cluster',
        referencedSecurityGroupId: args.clientSecurityGroupId,
        ipProtocol: 'tcp',
        fromPort: 5432,
        toPort: 5432,
      },
      child,
    );
    const parameters = new rds.ParameterGroup(
      name,
      {
        family: 'postgres17',
        parameters: [
          { name: 'rds.force_ssl', value: '1' },
          { name: 'log_connections', value: '1' },
          { name: 'log_disconnections', value: '1' },
          { name: 'log_min_duration_statement', value: '1000' },
        ],
      },
      child,
    );
    const monitoring = new ServiceRole(
      `${name}-monitoring`,
      {
        service: 'monitoring.rds.amazonaws.com',
        accountId,
        partition,
        managedPolicies: ['service-role/AmazonRDSEnhancedMonitoringRole'],
      },
      child,
    );
    const protect = args.deletionProtection ?? true;
    const storage = args.storageGiB ?? 50;
    const instance = new rds.Instance(
      name,
      {
        identifier: name,
        engine: 'postgres',
        engineVersion: '17.6',
        instanceClass: args.instanceClass ?? 'db.m7g.large',
        dbName: 'modelmile',
        username: 'modelmile',
        manageMasterUserPassword: true,
        masterUserSecretKmsKeyId: args.keyArn,
        storageType: 'gp3',
        allocatedStorage: storage,
        maxAllocatedStorage: storage * 10,
        storageEncrypted: true,
        kmsKeyId: args.keyArn,
        multiAz: args.multiAz ?? true,
        publiclyAccessible: false,
        dbSubnetGroupName: subnets.name,
        vpcSecurityGroupIds: [group.id],
        parameterGroupName: parameters.name,
        caCertIdentifier: 'rds-ca-rsa2048-g1',
        backupRetentionPeriod: args.backupRetentionDays ?? 14,
        copyTagsToSnapshot: true,
        deletionProtection: protect,
        skipFinalSnapshot: !protect,
        ...(protect ? { finalSnapshotIdentifier: `${name}-final` } : {}),
        enabledCloudwatchLogsExports: ['postgresql', 'upgrade'],
        performanceInsightsEnabled: true,
        performanceInsightsKmsKeyId: args.keyArn,
        monitoringInterval: 60,
        monitoringRoleArn: monitoring.arn,
        autoMinorVersionUpgrade: true,
      },
      { ...child, protect, dependsOn: [monitoring] },
    );
    this.host = instance.address;
    this.secretArn = instance.masterUserSecrets.apply((secrets) => secrets[0]!.secretArn);
    this.registerOutputs({ host: this.host, secretArn: this.secretArn });
  }
}
