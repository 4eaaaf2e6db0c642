import * as aws from '@pulumi/aws/provider.js';
import * as pulumi from '@pulumi/pulumi';
import { whereToRunFrom } from '../environment/aws/cluster.ts';
import { AwsEnvironment, selectPool } from '../environment/aws/index.ts';
import type { InstanceTypeName } from '../environment/hardware.ts';
import { addresses, egressTo } from '../network-rules.ts';
import { describeCost, stackCost } from '../policy/cost.ts';
import { enforcePolicies } from '../policy/index.ts';
import { secretsDir } from '../service/index.ts';
import { required, type Settings } from '../settings.ts';
import {
  type ClusterEnvironment,
  monitor,
  onnxruntime,
  plan,
  serve,
  servingImage,
  versionsOf,
} from './cluster.ts';
import type { Platform } from './platform.ts';

/** Where EKS Pod Identity answers on every node: how pods get their AWS credentials. */
const podIdentityAgent = '169.254.170.23/32';
const name = () => `modelmile-${pulumi.getStack()}`;

const typesOf = (pool: Settings['nodePools'][number]): readonly InstanceTypeName[] =>
  pool.kind === 'elastic' ? pool.instanceTypes : [pool.instanceType];

/** EKS with GPU node pools, ECR, S3, RDS and ElastiCache; inside the cluster the same as anywhere. */
export const amazon: Platform<ClusterEnvironment> = {
  environment(settings, models) {
    const declared = enforcePolicies();
    const accountId = required(settings, 'accountId');
    const provider = new aws.Provider(name(), {
      region: settings.region,
      allowedAccountIds: [accountId],
      defaultTags: { tags: { 'modelmile:stack': name() } },
    });
    pulumi.log.info(whereToRunFrom(settings.endpointAccess));
    const chosen = plan(settings, settings.nodePools.flatMap(typesOf));
    const environment = new AwsEnvironment(
      name(),
      {
        ...settings,
        gpuMetrics: settings.monitoring.gpuMetrics,
        accountId,
        budget: required(settings, 'budget'),
        models: versionsOf(models),
        onnxruntime,
      },
      { providers: [provider] },
    );
    pulumi.log.info(`the stack ${describeCost(stackCost(declared, settings.priceFactor))}`);
    const { repositoryUrl, login } = environment.registry;
    const pool = settings.nodePools.find((one) => typesOf(one).includes(chosen.instanceType))?.name;
    return {
      plan: chosen,
      namespace: environment.namespace.name,
      image: servingImage(name(), settings, chosen, { repository: repositoryUrl, registry: login }),
      modelSource: { kind: 'remote', root: environment.modelStore.root },
      middleware: environment.middleware(secretsDir),
      secrets: [{ name: 'database', volume: environment.identity.volume }],
      egress: [
        egressTo([addresses(settings.vpcCidr)], 5432, 6379),
        egressTo([addresses(podIdentityAgent)], 80),
      ],
      nodeSelector: settings.nodeSelector ?? selectPool(name(), pool),
      opts: {
        providers: [environment.kubernetes],
        dependsOn: environment.modelStore.uploads.apply((uploads) => [environment, ...uploads]),
      },
    };
  },
  service: (settings, models, environment) => serve(name(), settings, models, environment),
  monitoring: (settings, _service, environment) => monitor(name(), settings, environment),
  feedback: () => 'RDS Postgres of the stack',
};
