import * as aws from '@pulumi/aws/provider.js';
import * as pulumi from '@pulumi/pulumi';
import { whereToRunFrom } from '../environment/aws/cluster.ts';
import { AwsEnvironment, selectPool } from '../environment/aws/index.ts';
import { instanceType } from '../environment/hardware.ts';
import { Namespace } from '../environment/kubernetes/namespace.ts';
import { addresses, egressTo } from '../network-rules.ts';
import { enforcePolicies } from '../policy/index.ts';
import { type ModelVersion, secretsDir } from '../service/index.ts';
import { planFor, serveInCluster, servingImage } from './cluster.ts';
import type { AwsSettings, ServiceSettings } from './cluster-settings.ts';

/** Address of EKS Pod Identity on every node: where pods get their AWS credentials. */
const podIdentityAgent = '169.254.170.23/32';

/** The first pool that has what the plan needs. */
function poolFor(settings: AwsSettings, gpu: boolean): string | undefined {
  return settings.nodePools.find((pool) => {
    const types = pool.kind === 'elastic' ? pool.instanceTypes : [pool.instanceType];
    return types.some((type) => (instanceType(type).gpu !== undefined) === gpu);
  })?.name;
}

/** EKS with GPU node pools, ECR, S3, RDS and ElastiCache; in the cluster the same as on any other. */
export function deployToAws(
  stack: string,
  service: ServiceSettings,
  settings: AwsSettings,
  models: readonly ModelVersion[],
  onnxruntime: string,
  root: string,
): { endpoint: pulumi.Output<string> } {
  enforcePolicies();
  const name = `modelmile-${stack}`;
  const provider = new aws.Provider(stack, {
    region: settings.region as aws.ProviderArgs['region'] & string,
    allowedAccountIds: [settings.accountId],
    defaultTags: { tags: { 'modelmile:stack': name } },
  });
  pulumi.log.info(whereToRunFrom(settings.endpointAccess));
  const plan = planFor(service, root);
  const environment = new AwsEnvironment(
    name,
    { ...settings, models, namespace: service.namespace, onnxruntime } as ConstructorParameters<
      typeof AwsEnvironment
    >[1],
    { providers: [provider] },
  );
  const inCluster: pulumi.ComponentResourceOptions = {
    providers: [environment.kubernetes],
    dependsOn: [environment],
  };
  const namespace = new Namespace(
    `${name}-namespace`,
    { name: service.namespace, dnsCidr: environment.serviceCidr },
    inCluster,
  ).name;
  const image = servingImage(
    name,
    service,
    plan,
    { repository: environment.registry.repositoryUrl, registry: environment.registry.login },
    root,
  );
  const pool = poolFor(settings, plan.accelerator === 'gpu');
  return serveInCluster(
    name,
    service,
    plan,
    models,
    {
      namespace,
      image,
      modelSource: { kind: 'remote', root: environment.modelStore.root },
      middleware: environment.middleware(secretsDir),
      secrets: [
        {
          name: 'database',
          volume: {
            csi: {
              driver: 'secrets-store.csi.k8s.io',
              readOnly: true,
              volumeAttributes: { secretProviderClass: environment.identity.secretProviderClass },
            },
          },
        },
      ],
      egress: [
        egressTo([addresses(settings.vpcCidr)], 5432, 6379),
        egressTo([addresses(podIdentityAgent)], 80),
      ],
      ...(pool === undefined ? {} : { nodeSelector: selectPool(name, pool) }),
    },
    inCluster,
  );
}
