import { type Inputs, type Rule, unless } from './rule.ts';

const controlPlaneLogs = ['api', 'audit', 'authenticator', 'controllerManager', 'scheduler'];
const everyone = (cidr: unknown) => typeof cidr === 'string' && /\/0$/.test(cidr);

interface Statement {
  readonly Sid?: string;
  readonly Effect: string;
  readonly Action?: string | readonly string[];
  readonly NotAction?: unknown;
  readonly NotResource?: unknown;
  readonly NotPrincipal?: unknown;
  readonly Resource?: string | readonly string[];
  readonly Principal?: unknown;
  readonly Condition?: unknown;
}
const list = <T>(value: T | readonly T[] | undefined): readonly T[] =>
  value === undefined ? [] : Array.isArray(value) ? (value as readonly T[]) : [value as T];

/** Statements of a policy as text; none where it is not known yet. */
export function statementsOf(policy: unknown): readonly Statement[] {
  if (typeof policy !== 'string') return [];
  return list((JSON.parse(policy) as { Statement: Statement | readonly Statement[] }).Statement);
}

/**
 * Statements that allow more than their text shows: all actions of a service, on anything, to anyone.
 * A key policy speaks of its own key only, so there `Resource: *` is that key.
 */
export function wildcardFaults(policy: unknown, keyPolicy = false): string[] {
  return statementsOf(policy).flatMap((statement) => {
    if (statement.Effect !== 'Allow') return [];
    const at = statement.Sid ?? '(no Sid)';
    const faults: string[] = [];
    if (!keyPolicy && list(statement.Action).some((action) => action.includes('*')))
      faults.push(`${at}: lists actions with *`);
    if (!keyPolicy && list(statement.Resource).includes('*')) faults.push(`${at}: is about every resource`);
    const principal = statement.Principal;
    if (principal === '*' || list((principal as { AWS?: string } | undefined)?.AWS).includes('*'))
      faults.push(`${at}: is open to everyone`);
    for (const all of ['NotAction', 'NotResource', 'NotPrincipal'] as const)
      if (statement[all] !== undefined) faults.push(`${at}: ${all} allows all others, those of tomorrow too`);
    return faults;
  });
}

export const awsRules = {
  'private-api-server': {
    enforcement: 'mandatory',
    holds: 'The API server of a cluster is private, or open to listed networks.',
    types: ['aws:eks/cluster:Cluster'],
    check: ({ vpcConfig = {} }) => [
      ...unless(vpcConfig.endpointPrivateAccess === true, 'vpcConfig.endpointPrivateAccess must be true'),
      ...unless(
        vpcConfig.endpointPublicAccess === false ||
          ((vpcConfig.publicAccessCidrs ?? []).length > 0 && !vpcConfig.publicAccessCidrs.some(everyone)),
        'vpcConfig.publicAccessCidrs must list networks, never a range of /0',
      ),
    ],
  },
  'control-plane-logs': {
    enforcement: 'mandatory',
    holds: 'Every control-plane log is kept, the audit log above all.',
    types: ['aws:eks/cluster:Cluster'],
    check: ({ enabledClusterLogTypes = [] }) =>
      controlPlaneLogs.flatMap((log) =>
        unless(enabledClusterLogTypes.includes(log), `enabledClusterLogTypes lacks ${log}`),
      ),
  },
  'cluster-secrets-encrypted': {
    enforcement: 'mandatory',
    holds: 'Kubernetes Secrets are encrypted under a key of our own.',
    types: ['aws:eks/cluster:Cluster'],
    check: ({ encryptionConfig }) => [
      ...unless(
        encryptionConfig?.resources?.includes('secrets'),
        'encryptionConfig.resources must include secrets',
      ),
      ...unless(
        'keyArn' in (encryptionConfig?.provider ?? {}),
        'encryptionConfig.provider.keyArn must be a key of ours',
      ),
    ],
  },
  'access-entries-only': {
    enforcement: 'mandatory',
    holds: 'The way into a cluster is an access entry; whoever made it has none by itself.',
    types: ['aws:eks/cluster:Cluster'],
    check: ({ accessConfig }) => [
      ...unless(accessConfig?.authenticationMode === 'API', 'accessConfig.authenticationMode must be API'),
      ...unless(
        accessConfig?.bootstrapClusterCreatorAdminPermissions === false,
        'accessConfig.bootstrapClusterCreatorAdminPermissions must be false',
      ),
    ],
  },
  'pinned-addons': {
    enforcement: 'mandatory',
    holds: 'Add-ons and node images have a version.',
    types: ['Addon', 'aws:eks/nodeGroup:NodeGroup'],
    check: (inputs) =>
      'addonName' in inputs
        ? unless(/^v\d/.test(inputs['addonVersion'] ?? ''), 'addonVersion must be set')
        : unless(
            /^\d+\.\d+\.\d+-\d{8}$/.test(inputs['releaseVersion'] ?? ''),
            'releaseVersion must be a pinned AMI release',
          ),
  },
  'imds-v2': {
    enforcement: 'mandatory',
    holds: 'The metadata service of a machine answers version 2 only, and no pod.',
    types: ['LaunchTemplate', 'aws:ec2/instance:Instance'],
    check: ({ metadataOptions }) => [
      ...unless(metadataOptions?.httpTokens === 'required', 'metadataOptions.httpTokens must be required'),
      ...unless(
        metadataOptions?.httpPutResponseHopLimit === 1,
        'metadataOptions.httpPutResponseHopLimit must be 1',
      ),
    ],
  },
  'encrypted-volumes': {
    enforcement: 'mandatory',
    holds: 'Volumes are encrypted under a key of our own.',
    types: ['LaunchTemplate'],
    check: ({ blockDeviceMappings = [] }) =>
      blockDeviceMappings.flatMap(({ deviceName, ebs }: Inputs) =>
        unless(
          String(ebs?.encrypted) === 'true' && 'kmsKeyId' in ebs,
          `${deviceName}: ebs.encrypted must be true, under a key of ours (kmsKeyId)`,
        ),
      ),
  },
  'private-subnets': {
    enforcement: 'mandatory',
    holds: 'No machine gets a public address by itself.',
    types: ['aws:ec2/subnet:Subnet'],
    check: ({ mapPublicIpOnLaunch }) =>
      unless(mapPublicIpOnLaunch !== true, 'mapPublicIpOnLaunch must be false'),
  },
  'closed-security-groups': {
    enforcement: 'mandatory',
    holds: 'No security group lets everyone in.',
    types: ['SecurityGroup', 'SecurityGroupIngressRule', 'SecurityGroupRule'],
    check: (inputs) => [
      ...unless(
        !everyone(inputs['cidrIpv4']) && !everyone(inputs['cidrIpv6']),
        'cidrIpv4 must name a network',
      ),
      ...(inputs['ingress'] ?? []).flatMap(({ cidrBlocks = [], ipv6CidrBlocks = [] }: Inputs) =>
        unless(![...cidrBlocks, ...ipv6CidrBlocks].some(everyone), 'ingress.cidrBlocks must name networks'),
      ),
      ...unless(
        inputs['type'] !== 'ingress' ||
          ![...(inputs['cidrBlocks'] ?? []), ...(inputs['ipv6CidrBlocks'] ?? [])].some(everyone),
        'cidrBlocks must name networks',
      ),
    ],
  },
  'private-buckets': {
    enforcement: 'mandatory',
    holds: 'No bucket can become public.',
    types: ['BucketPublicAccessBlock'],
    check: (inputs) =>
      ['blockPublicAcls', 'blockPublicPolicy', 'ignorePublicAcls', 'restrictPublicBuckets'].flatMap((flag) =>
        unless(inputs[flag] === true, `${flag} must be true`),
      ),
  },
  'kept-objects': {
    enforcement: 'mandatory',
    holds:
      'A bucket keeps every version of an object, encrypted under a key of our own, and answers over TLS only.',
    types: ['BucketVersioning', 'BucketServerSideEncryptionConfiguration', 'BucketPolicy'],
    check: (inputs) => {
      if ('versioningConfiguration' in inputs)
        return unless(inputs['versioningConfiguration']?.status === 'Enabled', 'status must be Enabled');
      if ('rules' in inputs) {
        const [rule] = inputs['rules'] ?? [];
        const encryption = rule?.applyServerSideEncryptionByDefault ?? {};
        return unless(
          encryption.sseAlgorithm === 'aws:kms' && 'kmsMasterKeyId' in encryption,
          'sseAlgorithm must be aws:kms, under a key of ours (kmsMasterKeyId)',
        );
      }
      if (typeof inputs['policy'] !== 'string') return [];
      const tlsOnly = statementsOf(inputs['policy']).some(
        ({ Effect, Condition }) =>
          Effect === 'Deny' && JSON.stringify(Condition ?? {}).includes('"aws:SecureTransport":"false"'),
      );
      return unless(tlsOnly, 'the policy must deny what comes without TLS (aws:SecureTransport false)');
    },
  },
  'safe-databases': {
    enforcement: 'mandatory',
    holds:
      'A database is private, encrypted, restorable to any second, and its password is nobody’s to know.',
    types: ['aws:rds/instance:Instance', 'aws:rds/cluster:Cluster'],
    check: (inputs) => [
      ...unless(
        inputs['storageEncrypted'] === true && 'kmsKeyId' in inputs,
        'storageEncrypted must be true, under a key of ours (kmsKeyId)',
      ),
      ...unless(inputs['publiclyAccessible'] === false, 'publiclyAccessible must be false'),
      ...unless(inputs['manageMasterUserPassword'] === true, 'manageMasterUserPassword must be true'),
      ...unless(!('password' in inputs), 'password must not be set: it would be in the state'),
      ...unless((inputs['backupRetentionPeriod'] ?? 0) >= 7, 'backupRetentionPeriod must be 7 days or more'),
    ],
  },
  'safe-caches': {
    enforcement: 'mandatory',
    holds: 'A cache is encrypted on the way and at rest, and asks who it is.',
    types: ['ReplicationGroup'],
    check: (inputs) => [
      ...unless(inputs['transitEncryptionEnabled'] === true, 'transitEncryptionEnabled must be true'),
      ...unless(
        inputs['atRestEncryptionEnabled'] === true && 'kmsKeyId' in inputs,
        'atRestEncryptionEnabled must be true, under a key of ours (kmsKeyId)',
      ),
      ...unless(
        'userGroupIds' in inputs && !('authToken' in inputs),
        'userGroupIds must be set, and authToken not',
      ),
    ],
  },
  'safe-registries': {
    enforcement: 'mandatory',
    holds: 'Image tags never move, every push is scanned, everything is encrypted under a key of our own.',
    types: ['aws:ecr/repository:Repository'],
    check: (inputs) => [
      ...unless(inputs['imageTagMutability'] === 'IMMUTABLE', 'imageTagMutability must be IMMUTABLE'),
      ...unless(
        inputs['imageScanningConfiguration']?.scanOnPush === true,
        'imageScanningConfiguration.scanOnPush must be true',
      ),
      ...unless(
        (inputs['encryptionConfigurations'] ?? []).some(
          (one: Inputs) => one['encryptionType'] === 'KMS' && 'kmsKey' in one,
        ),
        'encryptionConfigurations must be KMS with a key of ours',
      ),
    ],
  },
  'narrow-iam': {
    enforcement: 'mandatory',
    holds:
      'Policies of ours list actions and resources; AWS’s policies with "everything" in them are not used.',
    types: [
      'RolePolicy',
      'aws:iam/policy:Policy',
      'aws:iam/role:Role',
      'BucketPolicy',
      'aws:kms/key:Key',
      'RolePolicyAttachment',
    ],
    check: (inputs) => [
      ...wildcardFaults(inputs['policy'], 'enableKeyRotation' in inputs),
      ...wildcardFaults(inputs['assumeRolePolicy']),
      ...(inputs['inlinePolicies'] ?? []).flatMap((one: Inputs) => wildcardFaults(one['policy'])),
      ...[inputs['policyArn'] ?? [], inputs['managedPolicyArns'] ?? []]
        .flat()
        .filter((arn: string) => /(AdministratorAccess|PowerUserAccess|FullAccess)$/.test(arn))
        .map((arn: string) => `${arn} allows everything; write what is needed`),
    ],
  },
  'rotated-keys': {
    enforcement: 'mandatory',
    holds: 'Keys are rotated every year.',
    types: ['aws:kms/key:Key'],
    check: ({ enableKeyRotation }) => unless(enableKeyRotation === true, 'enableKeyRotation must be true'),
  },
  'kept-logs': {
    enforcement: 'mandatory',
    holds: 'Logs are encrypted under a key of our own and kept for a stated time.',
    types: ['aws:cloudwatch/logGroup:LogGroup'],
    check: (inputs) => [
      ...unless((inputs['retentionInDays'] ?? 0) >= 30, 'retentionInDays must be 30 or more'),
      ...unless('kmsKeyId' in inputs, 'kmsKeyId must be set'),
    ],
  },
} as const satisfies Record<string, Rule>;
