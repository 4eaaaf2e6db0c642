import * as pulumi from '@pulumi/pulumi';
import * as engine from '@pulumi/pulumi/runtime/settings.js';

/** There at run time, marked internal in the types: nothing else tells when every resource has been registered. */
const { waitForRPCs } = engine as unknown as { waitForRPCs(): Promise<void> };

/** A resource as the engine would be asked to make it. */
export interface Recorded {
  readonly type: string;
  readonly name: string;
  // biome-ignore lint/suspicious/noExplicitAny: inputs are what is looked into, by path
  readonly inputs: any;
}

/** What AWS and Kubernetes would fill in, where components of ours go on with it. */
const filledIn: Record<string, (args: pulumi.runtime.MockResourceArgs) => object> = {
  'aws:eks/cluster:Cluster': () => ({
    endpoint: 'https://cluster.example',
    certificateAuthority: { data: 'Y2E=' },
    vpcConfig: { clusterSecurityGroupId: 'sg-cluster' },
  }),
  'aws:rds/instance:Instance': () => ({
    address: 'database.example',
    masterUserSecrets: [
      { secretArn: 'arn:aws:secretsmanager:eu-central-1:123456789012:secret:database-Ab12Cd' },
    ],
  }),
  'aws:elasticache/replicationGroup:ReplicationGroup': () => ({ primaryEndpointAddress: 'cache.example' }),
  'aws:ecr/repository:Repository': (args) => ({
    repositoryUrl: `123456789012.dkr.ecr.eu-central-1.amazonaws.com/${args.inputs.name}`,
    registryId: '123456789012',
  }),
  'aws:ec2/launchTemplate:LaunchTemplate': () => ({ latestVersion: 1 }),
  'docker:index/image:Image': (args) => ({
    repoDigest: `${String(args.inputs.imageName).split(':')[0]}@sha256:${'ab'.repeat(32)}`,
  }),
};

let resources: Recorded[] = [];

/** Call once before components are imported or built: resources are recorded, nothing is made. */
export function recordResources(): void {
  pulumi.runtime.setMocks(
    {
      newResource: (args) => {
        resources.push({ type: args.type, name: args.name, inputs: args.inputs });
        const arn = `arn:aws:mock:eu-central-1:123456789012:${args.type.split(':').at(-1)}/${args.name}`;
        const extra = filledIn[args.type]?.(args) ?? {};
        return { id: `${args.name}-id`, state: { arn, keyId: `${args.name}-id`, ...args.inputs, ...extra } };
      },
      call: (args) =>
        args.token === 'aws:ecr/getAuthorizationToken:getAuthorizationToken'
          ? { userName: 'AWS', password: 'token' }
          : args.inputs,
    },
    'modelmile',
    'test',
    false,
  );
}

/** Builds and returns what was asked for, inputs resolved, in the order of registration. */
export async function recorded(build: () => void): Promise<Recorded[]> {
  resources = [];
  let failed: unknown;
  await pulumi.runtime.runInPulumiStack(async () => {
    try {
      build();
    } catch (error) {
      // The stack resource would reject a second time, where nobody listens.
      failed = error;
    }
  });
  // Inputs that hang on outputs register later: done when two rounds add nothing.
  for (let before = -1; before !== resources.length; ) {
    before = resources.length;
    await waitForRPCs();
    await new Promise((resolve) => setTimeout(resolve, 20));
    await waitForRPCs();
  }
  if (failed !== undefined) throw failed;
  return resources;
}

/** The only resource of a type (its last part) whose name contains `name`. */
export function only(all: readonly Recorded[], type: string, name = ''): Recorded {
  const found = all.filter((one) => one.type.split(':').at(-1) === type && one.name.includes(name));
  if (found.length !== 1) {
    throw new Error(
      `${found.length} resources of type ${type} named '${name}': ${all.map((one) => `${one.type} ${one.name}`).join('\n')}`,
    );
  }
  return found[0]!;
}

export const ofType = (all: readonly Recorded[], type: string): Recorded[] =>
  all.filter((one) => one.type.split(':').at(-1) === type);
