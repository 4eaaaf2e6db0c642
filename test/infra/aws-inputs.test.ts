import { readFileSync } from 'node:fs';
import { isIPv4 } from 'node:net';
import { beforeAll, describe, expect, it } from '@jest/globals';
import { parse } from 'yaml';
import { osParameters } from '../../infra/environment/os-parameters.ts';
import { statementsOf, wildcardFaults } from '../../infra/policy/aws.ts';
import { ofType, only, type Recorded } from './recorder.ts';
import { resourcesOf, settingsOf } from './stacks.ts';

const { shapes } = JSON.parse(
  readFileSync(new URL('./fixtures/schemas/aws-shapes.json', import.meta.url), 'utf8'),
) as { shapes: Record<string, { enum?: string[]; pattern?: string; min?: number; max?: number }> };

/** Type, path of the input (`[]` = every element), and the shape of AWS's own model that it must have. */
const fields: readonly (readonly [type: string, path: string, shape: string])[] = [
  ['aws:eks/cluster:Cluster', 'accessConfig.authenticationMode', 'eks.AuthenticationMode'],
  ['aws:eks/cluster:Cluster', 'enabledClusterLogTypes.[]', 'eks.LogType'],
  ['aws:eks/cluster:Cluster', 'upgradePolicy.supportType', 'eks.SupportType'],
  ['aws:eks/nodeGroup:NodeGroup', 'amiType', 'eks.AMITypes'],
  ['aws:eks/nodeGroup:NodeGroup', 'capacityType', 'eks.CapacityTypes'],
  ['aws:eks/nodeGroup:NodeGroup', 'taints.[].effect', 'eks.TaintEffect'],
  ['aws:eks/addon:Addon', 'resolveConflictsOnUpdate', 'eks.ResolveConflicts'],
  ['aws:eks/addon:Addon', 'resolveConflictsOnCreate', 'eks.ResolveConflicts'],
  ['aws:ec2/launchTemplate:LaunchTemplate', 'instanceType', 'ec2.InstanceType'],
  ['aws:ec2/launchTemplate:LaunchTemplate', 'metadataOptions.httpTokens', 'ec2.HttpTokensState'],
  [
    'aws:ec2/launchTemplate:LaunchTemplate',
    'metadataOptions.httpEndpoint',
    'ec2.InstanceMetadataEndpointState',
  ],
  ['aws:ec2/launchTemplate:LaunchTemplate', 'blockDeviceMappings.[].ebs.volumeType', 'ec2.VolumeType'],
  ['aws:ec2/flowLog:FlowLog', 'trafficType', 'ec2.TrafficType'],
  ['aws:ec2/flowLog:FlowLog', 'logDestinationType', 'ec2.LogDestinationType'],
  ['aws:ec2/vpcEndpoint:VpcEndpoint', 'vpcEndpointType', 'ec2.VpcEndpointType'],
  ['aws:ec2/eip:Eip', 'domain', 'ec2.DomainType'],
  ['aws:ecr/repository:Repository', 'imageTagMutability', 'ecr.ImageTagMutability'],
  ['aws:ecr/repository:Repository', 'encryptionConfigurations.[].encryptionType', 'ecr.EncryptionType'],
  ['aws:s3/bucketVersioning:BucketVersioning', 'versioningConfiguration.status', 's3.BucketVersioningStatus'],
  ['aws:s3/bucketOwnershipControls:BucketOwnershipControls', 'rule.objectOwnership', 's3.ObjectOwnership'],
  [
    'aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration',
    'rules.[].applyServerSideEncryptionByDefault.sseAlgorithm',
    's3.ServerSideEncryption',
  ],
  [
    'aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration',
    'rules.[].status',
    's3.ExpirationStatus',
  ],
  [
    'aws:elasticache/replicationGroup:ReplicationGroup',
    'transitEncryptionMode',
    'elasticache.TransitEncryptionMode',
  ],
  ['aws:elasticache/user:User', 'authenticationMode.type', 'elasticache.InputAuthenticationType'],
  ['aws:budgets/budget:Budget', 'budgetType', 'budgets.BudgetType'],
  ['aws:budgets/budget:Budget', 'timeUnit', 'budgets.TimeUnit'],
  ['aws:budgets/budget:Budget', 'notifications.[].notificationType', 'budgets.NotificationType'],
  ['aws:budgets/budget:Budget', 'notifications.[].comparisonOperator', 'budgets.ComparisonOperator'],
  ['aws:budgets/budget:Budget', 'notifications.[].thresholdType', 'budgets.ThresholdType'],
  ['aws:kms/alias:Alias', 'name', 'kms.AliasNameType'],
  ['aws:cloudwatch/logGroup:LogGroup', 'name', 'logs.LogGroupName'],
];

function at(value: unknown, path: readonly string[]): unknown[] {
  const [head, ...rest] = path;
  if (value === undefined || value === null) return [];
  if (head === undefined) return [value];
  if (head === '[]') return (value as unknown[]).flatMap((one) => at(one, rest));
  return at((value as Record<string, unknown>)[head], rest);
}

/** Every string in inputs, however deep. */
function strings(value: unknown): string[] {
  if (typeof value === 'string') return [value];
  if (value === null || typeof value !== 'object') return [];
  return Object.values(value).flatMap(strings);
}

describe('what prod asks AWS for', () => {
  let all: Recorded[];
  let aws: Recorded[];
  beforeAll(async () => {
    all = await resourcesOf(settingsOf('prod'));
    aws = all.filter(({ type }) => type.startsWith('aws:'));
  });

  it.each(fields)('has a value that AWS knows in %s %s', (type, path, shape) => {
    const values = aws.filter((one) => one.type === type).flatMap((one) => at(one.inputs, path.split('.')));
    expect(values.length).toBeGreaterThan(0);
    const { enum: known, pattern, min, max } = shapes[shape]!;
    for (const value of values as string[]) {
      if (known) expect(known).toContain(value);
      if (pattern) expect(value).toMatch(new RegExp(`^(?:${pattern})$`));
      if (min !== undefined) expect(value.length).toBeGreaterThanOrEqual(min);
      if (max !== undefined) expect(value.length).toBeLessThanOrEqual(max);
    }
  });

  it('is well-formed wherever there is an ARN or a network', () => {
    const texts = aws.flatMap(({ inputs }) => strings(inputs));
    const arns = texts.filter((text) => text.startsWith('arn:'));
    const networks = texts.filter((text) => /^\d+\.\d+\.\d+\.\d+\/\d+$/.test(text));
    expect(arns.length).toBeGreaterThan(20);
    expect(networks.length).toBeGreaterThan(10);
    for (const arn of arns)
      expect(arn).toMatch(/^arn:aws(-cn|-us-gov)?:[a-z0-9-]+:[a-z0-9-]*:(\d{12}|aws)?:.+/);
    for (const cidr of networks) {
      const [address, bits] = cidr.split('/') as [string, string];
      expect(isIPv4(address)).toBe(true);
      const value = address.split('.').reduce((sum, part) => sum * 256 + Number(part), 0);
      expect(value % 2 ** (32 - Number(bits))).toBe(0);
    }
  });

  it('lays subnets beside each other inside the VPC', () => {
    const range = (cidr: string) => {
      const [address, bits] = cidr.split('/') as [string, string];
      const from = address.split('.').reduce((sum, part) => sum * 256 + Number(part), 0);
      return { from, to: from + 2 ** (32 - Number(bits)) };
    };
    const vpc = range(only(aws, 'Vpc').inputs.cidrBlock);
    const subnets = ofType(aws, 'Subnet')
      .map(({ inputs }) => range(inputs.cidrBlock))
      .sort((a, b) => a.from - b.from);
    expect(subnets).toHaveLength(6);
    for (const [i, subnet] of subnets.entries()) {
      expect(subnet.from).toBeGreaterThanOrEqual(subnets[i - 1]?.to ?? vpc.from);
      expect(subnet.to).toBeLessThanOrEqual(vpc.to);
    }
  });

  it('has policies that are JSON, with a Sid each, and lists what they allow', () => {
    const policies = aws.flatMap(({ type, name, inputs }) =>
      ['policy', 'assumeRolePolicy'].flatMap((key) =>
        typeof inputs[key] === 'string' && !type.includes('LifecyclePolicy')
          ? [{ type, name, key, text: inputs[key] as string }]
          : [],
      ),
    );
    expect(policies.length).toBeGreaterThan(8);
    for (const { type, name, key, text } of policies) {
      expect(JSON.parse(text)).toMatchObject({ Version: '2012-10-17' });
      for (const statement of statementsOf(text)) {
        expect(statement.Sid).toMatch(/^[A-Za-z0-9]+$/);
        for (const action of [statement.Action].flat()) expect(action).toMatch(/^[a-z0-9-]+:([A-Za-z]+|\*)$/);
      }
      const keyPolicy = type === 'aws:kms/key:Key';
      expect({ name, key, faults: wildcardFaults(text, keyPolicy) }).toEqual({ name, key, faults: [] });
    }
  });

  it('gives machines user data that cloud-init and nodeadm can read', () => {
    const text = Buffer.from(only(aws, 'LaunchTemplate').inputs.userData, 'base64').toString('utf8');
    const boundary = /^Content-Type: multipart\/mixed; boundary="(.+)"$/m.exec(text)?.[1];
    expect(text.startsWith('MIME-Version: 1.0\n')).toBe(true);
    const [, script, node, end] = text.split(`--${boundary}`);
    expect(end).toBe('--\n');
    const [headers, ...body] = (node ?? '').trim().split('\n\n');
    expect(headers).toBe('Content-Type: application/node.eks.aws');
    expect(parse(body.join('\n\n'))).toMatchObject({
      apiVersion: 'node.eks.aws/v1alpha1',
      kind: 'NodeConfig',
    });
    for (const [name, { scope, value }] of Object.entries(osParameters)) {
      expect([name, script?.includes(`${name} = ${value}\n`)]).toEqual([name, scope === 'node']);
    }
    expect(script).toContain('#!/bin/bash\nset -euo pipefail');
  });

  it('keeps every image that a rollback could need: only what has no tag expires', () => {
    const { rules } = JSON.parse(only(aws, 'LifecyclePolicy').inputs.policy);
    for (const rule of rules) expect(rule.selection.tagStatus).toBe('untagged');
  });

  it('trusts only services of this account, and pods of this cluster', () => {
    for (const { name, inputs } of ofType(aws, 'Role')) {
      const [statement] = statementsOf(inputs.assumeRolePolicy) as unknown as [
        { Principal: { Service: string }; Condition?: object },
      ];
      const ownConfinement = ['pods.eks.amazonaws.com', 'ec2.amazonaws.com'].includes(
        statement.Principal.Service,
      );
      expect([name, ownConfinement || JSON.stringify(statement.Condition).includes('123456789012')]).toEqual([
        name,
        true,
      ]);
    }
  });

  it('has names that AWS takes, of a stack whose name is as long as one may be', () => {
    // Recorded for stack `test`; `modelmile fork` allows fifteen characters. Pulumi adds a dash and seven digits to a name that is not given.
    const longer = 'a-stack-of-15-c'.length - 'test'.length;
    const added = 8;
    const lengths: readonly (readonly [type: string, name: (one: Recorded) => string, most: number])[] = [
      ['Role', ({ name }) => `${name}${'-'.repeat(added)}`, 64],
      ['ReplicationGroup', ({ inputs }) => inputs.replicationGroupId, 40],
      ['UserGroup', ({ inputs }) => inputs.userGroupId, 40],
      ['aws:rds/instance:Instance', ({ inputs }) => inputs.identifier, 63],
      ['aws:s3/bucket:Bucket', ({ inputs }) => inputs.bucket, 63],
      ['aws:eks/cluster:Cluster', ({ inputs }) => inputs.name, 100],
    ];
    for (const [type, nameOf, most] of lengths) {
      const found = aws.filter((one) => one.type === type || one.type.split(':').at(-1) === type);
      expect(found.length).toBeGreaterThan(0);
      for (const one of found)
        expect([nameOf(one), nameOf(one).length + longer <= most]).toEqual([nameOf(one), true]);
    }
    // 26 more are added to a prefix, which a pool's name of 20 still leaves room for.
    expect(only(aws, 'NodeGroup').inputs.nodeGroupNamePrefix).toBe('gpu-fixed-');
  });
});
