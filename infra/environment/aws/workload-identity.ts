import * as k8s from '@pulumi/kubernetes';
import * as pulumi from '@pulumi/pulumi';
import type { Account } from './account.ts';
import { ServiceRole } from './iam.ts';
import { eks } from './sdk.ts';

export interface WorkloadIdentityArgs {
  readonly account: Account;
  readonly clusterName: pulumi.Input<string>;
  readonly namespace: pulumi.Input<string>;
  readonly serviceAccount: string;
  readonly bucketArn: pulumi.Input<string>;
  readonly keyArn: pulumi.Input<string>;
  /** Secret of the database, with `username` and `password`. */
  readonly databaseSecretArn: pulumi.Input<string>;
  readonly cacheArns: readonly pulumi.Input<string>[];
  /** What defines SecretProviderClass. */
  readonly addons: pulumi.Resource;
}

/** What the serving pods may do in AWS, and how the database's password reaches them: as files, never through the stack. */
export class WorkloadIdentity extends pulumi.ComponentResource {
  /** What the pods mount: files `username` and `password` of the database. */
  readonly volume: Omit<k8s.types.input.core.v1.Volume, 'name'>;

  constructor(name: string, args: WorkloadIdentityArgs, opts?: pulumi.ComponentResourceOptions) {
    super('modelmile:environment:WorkloadIdentity', name, {}, opts);
    const child = { parent: this };
    const { accountId, partition, region } = args.account;
    const role = new ServiceRole(
      name,
      {
        service: 'pods.eks.amazonaws.com',
        tagSession: true,
        accountId,
        partition,
        statements: [
          { Sid: 'FindModels', Effect: 'Allow', Action: ['s3:ListBucket'], Resource: [args.bucketArn] },
          {
            Sid: 'ReadModels',
            Effect: 'Allow',
            Action: ['s3:GetObject'],
            Resource: [pulumi.interpolate`${args.bucketArn}/*`],
          },
          { Sid: 'Decrypt', Effect: 'Allow', Action: ['kms:Decrypt'], Resource: [args.keyArn] },
          {
            Sid: 'ReadDatabaseSecret',
            Effect: 'Allow',
            Action: ['secretsmanager:GetSecretValue', 'secretsmanager:DescribeSecret'],
            Resource: [args.databaseSecretArn],
          },
          {
            Sid: 'UseCache',
            Effect: 'Allow',
            Action: ['elasticache:Connect'],
            Resource: [...args.cacheArns],
          },
        ],
      },
      child,
    );
    new eks.PodIdentityAssociation(
      name,
      {
        clusterName: args.clusterName,
        namespace: args.namespace,
        serviceAccount: args.serviceAccount,
        roleArn: role.arn,
      },
      child,
    );
    const provider = new k8s.apiextensions.CustomResource(
      name,
      {
        apiVersion: 'secrets-store.csi.x-k8s.io/v1',
        kind: 'SecretProviderClass',
        metadata: { name: 'modelmile-database', namespace: args.namespace },
        spec: {
          provider: 'aws',
          parameters: {
            region,
            usePodIdentity: 'true',
            // JSON is YAML; jmesPath makes a file of each field.
            objects: pulumi.jsonStringify([
              {
                objectName: args.databaseSecretArn,
                objectType: 'secretsmanager',
                jmesPath: [
                  { path: 'username', objectAlias: 'username' },
                  { path: 'password', objectAlias: 'password' },
                ],
              },
            ]),
          },
        },
      },
      { ...child, dependsOn: [args.addons] },
    );
    this.volume = {
      csi: {
        driver: 'secrets-store.csi.k8s.io',
        readOnly: true,
        volumeAttributes: { secretProviderClass: provider.metadata.name },
      },
    };
    this.registerOutputs({});
  }
}
