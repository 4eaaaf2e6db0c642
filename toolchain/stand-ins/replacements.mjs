/**
 * What a change replaces, as the real plugins decide it. Kubernetes: forceNew of pulumi-kubernetes, provider/pkg/provider/diff.go
 * (v4.34, Apache-2.0), by kind; all other fields of these kinds update in place. Docker: an Image is built again in place. AWS: what its
 * API cannot change, as the reference of each resource in the CloudFormation or Terraform documentation says ("Replacement",
 * "Forces new resource"); properties that are not listed are "replacement unknown".
 */
const kubernetes = {
  ConfigMap: ['binaryData', 'data'],
  DaemonSet: ['spec.selector'],
  Deployment: ['spec.selector'],
  Job: ['spec.completions', 'spec.parallelism', 'spec.selector', 'spec.template'],
  PersistentVolumeClaim: ['spec'],
  ResourceQuota: ['spec.scopes'],
  RoleBinding: ['roleRef'],
  ClusterRoleBinding: ['roleRef'],
  Secret: ['type', 'stringData', 'data'],
  Service: ['spec.clusterIP'],
  StatefulSet: [
    'spec.podManagementPolicy',
    'spec.revisionHistoryLimit',
    'spec.selector',
    'spec.serviceName',
    'spec.volumeClaimTemplates',
  ],
};
const everyKubernetesObject = ['apiVersion', 'kind', 'metadata.name', 'metadata.namespace'];

/** Type -> property -> whether a change of it replaces the resource. */
export const aws = {
  'aws:ec2/vpc:Vpc': { cidrBlock: true, tags: false, enableDnsHostnames: false, enableDnsSupport: false },
  'aws:ec2/subnet:Subnet': { availabilityZone: true, cidrBlock: true, vpcId: true, tags: false },
  'aws:ec2/natGateway:NatGateway': {
    subnetId: true,
    allocationId: true,
    connectivityType: true,
    tags: false,
  },
  'aws:ec2/securityGroup:SecurityGroup': { name: true, description: true, vpcId: true, tags: false },
  'aws:ec2/launchTemplate:LaunchTemplate': {
    name: true,
    imageId: false,
    userData: false,
    blockDeviceMappings: false,
    metadataOptions: false,
    instanceType: false,
    tagSpecifications: false,
  },
  'aws:ecr/repository:Repository': {
    name: true,
    encryptionConfigurations: true,
    imageTagMutability: false,
    imageScanningConfiguration: false,
    forceDelete: false,
  },
  'aws:eks/cluster:Cluster': {
    name: true,
    roleArn: true,
    encryptionConfig: true,
    bootstrapSelfManagedAddons: true,
    'kubernetesNetworkConfig.serviceIpv4Cidr': true,
    'kubernetesNetworkConfig.ipFamily': true,
    'vpcConfig.endpointPrivateAccess': false,
    'vpcConfig.endpointPublicAccess': false,
    'vpcConfig.publicAccessCidrs': false,
    'vpcConfig.subnetIds': false,
    enabledClusterLogTypes: false,
    version: false,
    deletionProtection: false,
  },
  'aws:eks/nodeGroup:NodeGroup': {
    clusterName: true,
    nodeGroupName: true,
    nodeRoleArn: true,
    subnetIds: true,
    amiType: true,
    capacityType: true,
    instanceTypes: true,
    diskSize: true,
    scalingConfig: false,
    labels: false,
    taints: false,
    updateConfig: false,
    releaseVersion: false,
    version: false,
    'launchTemplate.id': true,
    'launchTemplate.version': false,
  },
  'aws:eks/addon:Addon': {
    addonName: true,
    clusterName: true,
    addonVersion: false,
    configurationValues: false,
  },
  'aws:elasticache/replicationGroup:ReplicationGroup': {
    replicationGroupId: true,
    atRestEncryptionEnabled: true,
    kmsKeyId: true,
    subnetGroupName: true,
    nodeType: false,
    numCacheClusters: false,
    engineVersion: false,
    snapshotRetentionLimit: false,
  },
  'aws:iam/role:Role': { name: true, path: true, assumeRolePolicy: false, description: false },
  'aws:rds/instance:Instance': {
    engine: true,
    identifier: false,
    dbSubnetGroupName: true,
    kmsKeyId: true,
    storageEncrypted: true,
    username: true,
    availabilityZone: true,
    instanceClass: false,
    multiAz: false,
    allocatedStorage: false,
    backupRetentionPeriod: false,
    deletionProtection: false,
    parameterGroupName: false,
    engineVersion: false,
  },
  'aws:s3/bucket:Bucket': { bucket: true, objectLockEnabled: true, forceDestroy: false },
  'aws:s3/bucketObjectv2:BucketObjectv2': { bucket: true, key: true, source: false },
};

const isObject = (value) => value !== null && typeof value === 'object' && !Array.isArray(value);

/** Leaves that differ: lists are compared whole. */
function* differences(before, after, path = '') {
  for (const key of new Set([...Object.keys(before), ...Object.keys(after)])) {
    // Kept by the engine, or a login that changes with every run.
    if (key.startsWith('__')) continue;
    const at = path === '' ? key : `${path}.${key}`;
    const [old, now] = [before[key], after[key]];
    if (isObject(old) && isObject(now)) yield* differences(old, now, at);
    else if (JSON.stringify(old) !== JSON.stringify(now))
      yield { path: at, op: old === undefined ? 'add' : now === undefined ? 'delete' : 'update' };
  }
}

const within = (path, prefixes) =>
  prefixes.some((prefix) => path === prefix || path.startsWith(`${prefix}.`));

/** @returns whether a change at `path` replaces a resource of `type`; undefined where the table does not know. */
export function replacesOn(type, path) {
  const [provider, , kind] = type.split(':');
  if (provider === 'kubernetes') {
    return within(path, [...everyKubernetesObject, ...(kubernetes[kind] ?? [])]);
  }
  if (provider === 'docker') return false;
  const rows = aws[type] ?? {};
  const row = Object.keys(rows).find((property) => within(path, [property]));
  return row === undefined ? undefined : rows[row];
}

/** Every change of inputs, and whether it replaces the resource. Logins of a registry are no change. */
export function changesBetween(type, before, after) {
  const ignored = type === 'docker:index/image:Image' ? ['registry'] : [];
  return [...differences(before, after)]
    .filter(({ path }) => !within(path, ignored))
    .map((change) => ({ ...change, replaces: replacesOn(type, change.path) }));
}
