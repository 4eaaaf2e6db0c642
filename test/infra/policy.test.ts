import { describe, expect, it } from '@jest/globals';
import * as k8s from '@pulumi/kubernetes';
import { unknownCheckingProxy } from '@pulumi/policy';
import * as pulumi from '@pulumi/pulumi';
import { enforcePolicies, knownInputs, type RuleName, rules, violations } from '../../infra/policy/index.ts';
import type { Inputs } from '../../infra/policy/rule.ts';
import { recorded, recordResources } from './recorder.ts';
import { resourcesOf, settingsOf } from './stacks.ts';

const container = (over: Inputs = {}) => ({
  name: 'a',
  image: 'registry/a:1.2.3',
  resources: { requests: { cpu: '1', memory: '1Gi' }, limits: { memory: '1Gi' } },
  securityContext: {
    allowPrivilegeEscalation: false,
    readOnlyRootFilesystem: true,
    capabilities: { drop: ['ALL'] },
    runAsNonRoot: true,
    seccompProfile: { type: 'RuntimeDefault' },
  },
  ...over,
});
const deployment = (over: Inputs = {}, spec: Inputs = {}) => ({
  spec: {
    template: { spec: { automountServiceAccountToken: false, containers: [container(over)] } },
    ...spec,
  },
});
const gpu = {
  resources: { requests: { cpu: '1', memory: '1Gi' }, limits: { memory: '1Gi', 'nvidia.com/gpu': '1' } },
};
const policy = (...statements: object[]) => JSON.stringify({ Statement: statements });

/** What an anchor or a default would give, and what is asked for: a rule must tell them apart. */
const cases: Readonly<Record<RuleName, { type: string; weak: Inputs[]; strong: Inputs[] }>> = {
  'restricted-pods': {
    type: 'kubernetes:apps/v1:Deployment',
    weak: [
      deployment({ securityContext: {} }),
      deployment({ securityContext: { ...container().securityContext, readOnlyRootFilesystem: false } }),
      deployment({ securityContext: { ...container().securityContext, runAsNonRoot: false } }),
      deployment({ ports: [{ hostPort: 80 }] }),
    ],
    strong: [deployment()],
  },
  'pinned-images': {
    type: 'kubernetes:apps/v1:Deployment',
    weak: [deployment({ image: 'vllm/vllm-openai:latest' }), deployment({ image: 'registry:5000/a' })],
    strong: [deployment(), deployment({ image: `a@sha256:${'0'.repeat(64)}` })],
  },
  'bounded-pods': {
    type: 'kubernetes:apps/v1:Deployment',
    weak: [deployment({ resources: {} })],
    strong: [deployment()],
  },
  'no-token': {
    type: 'kubernetes:apps/v1:Deployment',
    weak: [{ spec: { template: { spec: { containers: [] } } } }],
    strong: [deployment(), { spec: { template: { spec: { serviceAccountName: 'own', containers: [] } } } }],
  },
  'gpu-rollout': {
    type: 'kubernetes:apps/v1:Deployment',
    weak: [
      deployment(gpu),
      deployment(gpu, {
        strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: 1, maxUnavailable: 0 } },
      }),
    ],
    strong: [
      deployment(),
      deployment(gpu, { strategy: { type: 'Recreate' } }),
      deployment(gpu, { strategy: { rollingUpdate: { maxSurge: 0, maxUnavailable: 1 } } }),
      deployment(gpu, { strategy: { rollingUpdate: { maxSurge: '0%', maxUnavailable: 1 } } }),
    ],
  },
  'no-public-service': {
    type: 'kubernetes:core/v1:Service',
    weak: [
      { spec: { type: 'LoadBalancer' } },
      { spec: { type: 'LoadBalancer', loadBalancerSourceRanges: ['0.0.0.0/0'] } },
      { spec: { type: 'NodePort' } },
    ],
    strong: [{ spec: {} }, { spec: { type: 'LoadBalancer', loadBalancerSourceRanges: ['10.0.0.0/8'] } }],
  },
  'no-secret-values': {
    type: 'kubernetes:core/v1:Secret',
    weak: [{ stringData: { password: 'hunter2' } }],
    strong: [],
  },
  'signed-models': {
    type: 'kubernetes:core/v1:ConfigMap',
    weak: [
      { data: { 'settings.json': '{"modelRoot": "s3://bucket"}' } },
      { data: { 'settings.json': '{"modelRoot": "https://models.example", "trustedKeys": []}' } },
    ],
    strong: [
      {
        data: {
          'settings.json': '{"modelRoot": "s3://bucket", "trustedKeys": ["-----BEGIN PUBLIC KEY-----"]}',
        },
      },
      { data: { 'settings.json': '{"modelRoot": "/models"}' } },
      { data: { 'prometheus.yml': 'a' } },
    ],
  },
  'narrow-roles': {
    type: 'kubernetes:rbac.authorization.k8s.io/v1:Role',
    weak: [
      { rules: [{ apiGroups: ['*'], resources: ['*'], verbs: ['*'] }] },
      { roleRef: { name: 'cluster-admin' } },
    ],
    strong: [{ rules: [{ apiGroups: [''], resources: ['pods'], verbs: ['get'] }] }],
  },
  'closed-network-policies': {
    type: 'kubernetes:networking.k8s.io/v1:NetworkPolicy',
    weak: [
      { spec: { ingress: [{}] } },
      { spec: { ingress: [{ ports: [{ port: 1 }] }] } },
      { spec: { ingress: [{ from: [{ ipBlock: { cidr: '0.0.0.0/0' } }], ports: [{ port: 1 }] }] } },
    ],
    strong: [
      { spec: { ingress: [] } },
      { spec: { ingress: [{ from: [{ podSelector: {} }], ports: [{ port: 1 }] }] } },
    ],
  },
  'restricted-namespaces': {
    type: 'kubernetes:core/v1:Namespace',
    weak: [
      { metadata: { name: 'a' } },
      { metadata: { name: 'a', labels: { 'pod-security.kubernetes.io/enforce': 'baseline' } } },
    ],
    strong: [{ metadata: { name: 'a', labels: { 'pod-security.kubernetes.io/enforce': 'restricted' } } }],
  },
  'private-api-server': {
    type: 'aws:eks/cluster:Cluster',
    weak: [
      { vpcConfig: {} },
      { vpcConfig: { endpointPrivateAccess: true, endpointPublicAccess: true } },
      {
        vpcConfig: {
          endpointPrivateAccess: true,
          endpointPublicAccess: true,
          publicAccessCidrs: ['0.0.0.0/0'],
        },
      },
      { vpcConfig: { endpointPrivateAccess: false, endpointPublicAccess: false } },
    ],
    strong: [
      { vpcConfig: { endpointPrivateAccess: true, endpointPublicAccess: false } },
      {
        vpcConfig: {
          endpointPrivateAccess: true,
          endpointPublicAccess: true,
          publicAccessCidrs: ['198.51.100.0/24'],
        },
      },
    ],
  },
  'control-plane-logs': {
    type: 'aws:eks/cluster:Cluster',
    weak: [{}, { enabledClusterLogTypes: ['api'] }],
    strong: [{ enabledClusterLogTypes: ['api', 'audit', 'authenticator', 'controllerManager', 'scheduler'] }],
  },
  'cluster-secrets-encrypted': {
    type: 'aws:eks/cluster:Cluster',
    weak: [{}, { encryptionConfig: { resources: ['secrets'] } }],
    strong: [{ encryptionConfig: { resources: ['secrets'], provider: { keyArn: 'arn' } } }],
  },
  'access-entries-only': {
    type: 'aws:eks/cluster:Cluster',
    weak: [
      {},
      {
        accessConfig: {
          authenticationMode: 'API_AND_CONFIG_MAP',
          bootstrapClusterCreatorAdminPermissions: false,
        },
      },
      { accessConfig: { authenticationMode: 'API', bootstrapClusterCreatorAdminPermissions: true } },
    ],
    strong: [{ accessConfig: { authenticationMode: 'API', bootstrapClusterCreatorAdminPermissions: false } }],
  },
  'pinned-addons': {
    type: 'aws:eks/nodeGroup:NodeGroup',
    weak: [{}, { releaseVersion: 'latest' }, { addonName: 'coredns' }],
    strong: [
      { releaseVersion: '1.34.4-20260318' },
      { addonName: 'coredns', addonVersion: 'v1.12.4-eksbuild.18' },
    ],
  },
  'imds-v2': {
    type: 'aws:ec2/launchTemplate:LaunchTemplate',
    weak: [
      {},
      { metadataOptions: { httpTokens: 'optional', httpPutResponseHopLimit: 1 } },
      { metadataOptions: { httpTokens: 'required', httpPutResponseHopLimit: 2 } },
    ],
    strong: [{ metadataOptions: { httpTokens: 'required', httpPutResponseHopLimit: 1 } }],
  },
  'encrypted-volumes': {
    type: 'aws:ec2/launchTemplate:LaunchTemplate',
    weak: [
      { blockDeviceMappings: [{ deviceName: '/dev/xvda', ebs: {} }] },
      { blockDeviceMappings: [{ deviceName: '/dev/xvda', ebs: { encrypted: 'true' } }] },
    ],
    strong: [
      { blockDeviceMappings: [{ deviceName: '/dev/xvda', ebs: { encrypted: 'true', kmsKeyId: 'arn' } }] },
    ],
  },
  'private-subnets': {
    type: 'aws:ec2/subnet:Subnet',
    weak: [{ mapPublicIpOnLaunch: true }],
    strong: [{ mapPublicIpOnLaunch: false }],
  },
  'closed-security-groups': {
    type: 'aws:ec2/securityGroup:SecurityGroup',
    weak: [
      { ingress: [{ cidrBlocks: ['0.0.0.0/0'] }] },
      { cidrIpv4: '0.0.0.0/0' },
      { cidrIpv6: '::/0' },
      { type: 'ingress', cidrBlocks: ['0.0.0.0/0'] },
      { type: 'ingress', ipv6CidrBlocks: ['::/0'] },
      { ingress: [{ ipv6CidrBlocks: ['::/0'] }] },
    ],
    strong: [{ ingress: [{ cidrBlocks: ['10.0.0.0/8'] }] }, { cidrIpv4: '10.0.0.0/8' }],
  },
  'private-buckets': {
    type: 'aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock',
    weak: [{}, { blockPublicAcls: true, blockPublicPolicy: true, ignorePublicAcls: true }],
    strong: [
      { blockPublicAcls: true, blockPublicPolicy: true, ignorePublicAcls: true, restrictPublicBuckets: true },
    ],
  },
  'kept-objects': {
    type: 'aws:s3/bucketPolicy:BucketPolicy',
    weak: [
      { versioningConfiguration: { status: 'Suspended' } },
      { rules: [{ applyServerSideEncryptionByDefault: { sseAlgorithm: 'AES256' } }] },
      { rules: [{ applyServerSideEncryptionByDefault: { sseAlgorithm: 'aws:kms' } }] },
      { policy: policy() },
    ],
    strong: [
      { versioningConfiguration: { status: 'Enabled' } },
      { rules: [{ applyServerSideEncryptionByDefault: { sseAlgorithm: 'aws:kms', kmsMasterKeyId: 'a' } }] },
      { policy: policy({ Effect: 'Deny', Condition: { Bool: { 'aws:SecureTransport': 'false' } } }) },
    ],
  },
  'safe-databases': {
    type: 'aws:rds/instance:Instance',
    weak: [
      {},
      {
        storageEncrypted: true,
        publiclyAccessible: false,
        manageMasterUserPassword: true,
        backupRetentionPeriod: 14,
        password: 'x',
      },
    ],
    strong: [
      {
        storageEncrypted: true,
        kmsKeyId: 'arn',
        publiclyAccessible: false,
        manageMasterUserPassword: true,
        backupRetentionPeriod: 14,
      },
    ],
  },
  'safe-caches': {
    type: 'aws:elasticache/replicationGroup:ReplicationGroup',
    weak: [
      {},
      { transitEncryptionEnabled: true, atRestEncryptionEnabled: true, authToken: 'x', userGroupIds: [] },
      { transitEncryptionEnabled: true, atRestEncryptionEnabled: true, userGroupIds: ['a'] },
    ],
    strong: [
      {
        transitEncryptionEnabled: true,
        atRestEncryptionEnabled: true,
        kmsKeyId: 'arn',
        userGroupIds: ['a'],
      },
    ],
  },
  'safe-registries': {
    type: 'aws:ecr/repository:Repository',
    weak: [
      {},
      { imageTagMutability: 'MUTABLE', imageScanningConfiguration: { scanOnPush: true } },
      { imageTagMutability: 'IMMUTABLE', imageScanningConfiguration: { scanOnPush: true } },
    ],
    strong: [
      {
        imageTagMutability: 'IMMUTABLE',
        imageScanningConfiguration: { scanOnPush: true },
        encryptionConfigurations: [{ encryptionType: 'KMS', kmsKey: 'arn' }],
      },
    ],
  },
  'narrow-iam': {
    type: 'aws:iam/rolePolicy:RolePolicy',
    weak: [
      { policy: policy({ Effect: 'Allow', Action: 's3:*', Resource: 'arn:aws:s3:::a' }) },
      { policy: policy({ Effect: 'Allow', Action: ['s3:GetObject'], Resource: ['*'] }) },
      { policy: policy({ Effect: 'Allow', Action: ['s3:GetObject'], Resource: ['arn:a'], Principal: '*' }) },
      { policyArn: 'arn:aws:iam::aws:policy/AmazonS3FullAccess' },
      { managedPolicyArns: ['arn:aws:iam::aws:policy/AdministratorAccess'] },
      { policy: policy({ Effect: 'Allow', NotAction: ['iam:*'], Resource: ['arn:aws:s3:::a'] }) },
      { assumeRolePolicy: policy({ Effect: 'Allow', Action: ['sts:AssumeRole'], Principal: { AWS: '*' } }) },
      { inlinePolicies: [{ policy: policy({ Effect: 'Allow', Action: '*', Resource: '*' }) }] },
    ],
    strong: [
      { policy: policy({ Effect: 'Allow', Action: ['s3:GetObject'], Resource: ['arn:aws:s3:::a/*'] }) },
      { policy: policy({ Effect: 'Deny', Action: ['s3:*'], Resource: ['*'], Principal: '*' }) },
    ],
  },
  'rotated-keys': { type: 'aws:kms/key:Key', weak: [{}], strong: [{ enableKeyRotation: true }] },
  'kept-logs': {
    type: 'aws:cloudwatch/logGroup:LogGroup',
    weak: [{ kmsKeyId: 'a' }, { retentionInDays: 365 }],
    strong: [{ retentionInDays: 365, kmsKeyId: 'a' }],
  },
};

describe.each(Object.entries(cases) as [RuleName, (typeof cases)[RuleName]][])(
  'policy %s',
  (name, { type, weak, strong }) => {
    const broken = (inputs: Inputs) => violations(type, 'it', inputs).filter(({ rule }) => rule === name);

    it('finds what is weak and says what to do', () => {
      expect(weak.length).toBeGreaterThan(0);
      for (const inputs of weak) expect(broken(inputs)).not.toEqual([]);
    });

    it('lets pass what is asked for', () => {
      for (const inputs of strong) expect(broken(inputs)).toEqual([]);
    });
  },
);

describe('policies', () => {
  it('are kept by every resource of staging and prod, with all values known', async () => {
    for (const stack of ['staging', 'prod']) {
      const resources = await resourcesOf(settingsOf(stack));
      expect(resources.length).toBeGreaterThan(60);
      expect(resources.flatMap(({ type, name, inputs }) => violations(type, name, inputs))).toEqual([]);
    }
  });

  it('stop a program before the resource reaches the engine, naming resource, rule and way out', async () => {
    recordResources();
    let error: Error | undefined;
    const made = await recorded(() => {
      enforcePolicies();
      try {
        new k8s.core.v1.Service('open', { spec: { type: 'LoadBalancer' } });
      } catch (caught) {
        error = caught as Error;
      }
    });
    expect(error?.message).toMatch(
      /POLICY_VIOLATED.*Service open: loadBalancerSourceRanges.*no-public-service/,
    );
    expect(made.filter(({ type }) => type.includes('Service'))).toEqual([]);
  });

  it('do not guess at values that only the engine will know', () => {
    const later = pulumi.output(new Promise<string>(() => {}));
    expect(knownInputs({ policy: later, kmsKeyId: later, password: undefined, list: [later, 1] })).toEqual({
      policy: undefined,
      kmsKeyId: undefined,
      list: [undefined, 1],
    });
    expect('password' in knownInputs({ password: undefined })).toBe(false);
    expect('kmsKeyId' in knownInputs({ kmsKeyId: later })).toBe(true);
  });

  it('read only values that a preview knows: none asks for an output of another resource', () => {
    // @pulumi/policy throws when a policy looks at an unknown: it must be reported, not swallowed.
    const unknown = unknownCheckingProxy({ policy: '04da6b54-80e4-46f7-96ec-b56ff0331ba9' });
    expect(() => rules['narrow-iam'].check(unknown)).toThrow(/can't be known during preview/);
  });
});
