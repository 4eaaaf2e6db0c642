import * as pulumi from '@pulumi/pulumi';
import type { Account } from './account.ts';
import { policyDocument } from './iam.ts';
import { kms } from './sdk.ts';

export interface EncryptionKeyArgs {
  readonly account: Account;
  /** What it encrypts, for the console and the alias. */
  readonly purpose: string;
  /** Days until a deleted key is really gone, and what it encrypted with it. @default 30 */
  readonly deletionWindowDays?: number | undefined;
}

/** A key of our own for everything at rest: rotated every year, usable by CloudWatch Logs of this account. */
export class EncryptionKey extends pulumi.ComponentResource {
  readonly arn: pulumi.Output<string>;

  constructor(name: string, args: EncryptionKeyArgs, opts?: pulumi.ComponentResourceOptions) {
    super('modelmile:environment:EncryptionKey', name, {}, opts);
    const { accountId, partition, region } = args.account;
    const key = new kms.Key(
      name,
      {
        description: args.purpose,
        enableKeyRotation: true,
        rotationPeriodInDays: 365,
        deletionWindowInDays: args.deletionWindowDays ?? 30,
        policy: policyDocument([
          {
            // Without it nobody could ever change the key again; who may use it is then up to IAM.
            Sid: 'AccountManages',
            Effect: 'Allow',
            Principal: { AWS: `arn:${partition}:iam::${accountId}:root` },
            Action: ['kms:*'],
            Resource: ['*'],
          },
          {
            Sid: 'LogsEncrypt',
            Effect: 'Allow',
            Principal: { Service: `logs.${region}.amazonaws.com` },
            Action: [
              'kms:Encrypt',
              'kms:Decrypt',
              'kms:ReEncryptFrom',
              'kms:ReEncryptTo',
              'kms:GenerateDataKey',
              'kms:DescribeKey',
            ],
            Resource: ['*'],
            Condition: {
              ArnLike: {
                'kms:EncryptionContext:aws:logs:arn': `arn:${partition}:logs:${region}:${accountId}:log-group:*`,
              },
            },
          },
          {
            // Managed node groups: the Auto Scaling service starts instances whose volumes this key encrypts.
            Sid: 'AutoScalingEncrypts',
            Effect: 'Allow',
            Principal: {
              AWS: `arn:${partition}:iam::${accountId}:role/aws-service-role/autoscaling.amazonaws.com/AWSServiceRoleForAutoScaling`,
            },
            Action: [
              'kms:Encrypt',
              'kms:Decrypt',
              'kms:ReEncryptFrom',
              'kms:ReEncryptTo',
              'kms:GenerateDataKey',
              'kms:GenerateDataKeyWithoutPlaintext',
              'kms:DescribeKey',
            ],
            Resource: ['*'],
          },
          {
            Sid: 'AutoScalingLends',
            Effect: 'Allow',
            Principal: {
              AWS: `arn:${partition}:iam::${accountId}:role/aws-service-role/autoscaling.amazonaws.com/AWSServiceRoleForAutoScaling`,
            },
            Action: ['kms:CreateGrant'],
            Resource: ['*'],
            Condition: { Bool: { 'kms:GrantIsForAWSResource': 'true' } },
          },
        ]),
      },
      { parent: this, protect: opts?.protect ?? false },
    );
    new kms.Alias(`${name}-alias`, { name: `alias/${name}`, targetKeyId: key.keyId }, { parent: this });
    this.arn = key.arn;
    this.registerOutputs({ arn: this.arn });
  }
}
