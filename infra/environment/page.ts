import { images } from '../images.ts';
import { addons } from './aws/addons.ts';
import { cudaNeeds, gpuImages } from './compatibility.ts';
import { gpus, type InstanceType, instanceTypes } from './hardware.ts';
import { type OsParameter, osParameters } from './os-parameters.ts';

const table = (head: readonly string[], rows: readonly (readonly (string | number)[])[]) =>
  [head, head.map(() => '---'), ...rows].map((row) => `| ${row.join(' | ')} |`).join('\n');

/** docs/environment.md: environment = g(hardware, OS parameters, middleware), written from the tables that the components use. */
export function environmentPage(): string {
  const parameters = Object.entries(osParameters as Readonly<Record<string, OsParameter>>);
  const machines = Object.entries(instanceTypes as Readonly<Record<string, InstanceType>>);
  return `# Environment

environment = g(hardware, OS parameters, middleware). Written from the tables of \`infra/environment/\` by \`npx tsx infra/write-pages.ts\`;
a test fails where they differ.

## Hardware

\`infra/environment/sizing.ts\` takes the cheapest machines that carry the target load (\`load\`) within its response time, and prints why. It
rests on a \`profile.json\`; without one it assumes, and says "not measured".

${table(
  ['instance type', 'vCPUs', 'GiB', 'GPU', 'USD an hour'],
  machines.map(([name, { vcpus, memoryGiB, gpu, gpuCount, usdPerHour }]) => [
    name,
    vcpus,
    memoryGiB,
    gpu ? `${gpuCount} x ${gpus[gpu].model} (${gpus[gpu].memoryGiB} GiB)` : '-',
    usdPerHour,
  ]),
)}

Prices: on-demand, us-east-1, from the table that Karpenter's AWS provider v1.14.0 carries (2026-07-06). \`priceFactor\` multiplies them.

### Machine image, driver, CUDA, onnxruntime

Checked before anything is made (\`infra/environment/compatibility.ts\`); what is in no row is refused.

${table(
  ['Kubernetes', 'AMI release from', 'driver', 'source'],
  gpuImages.map(({ kubernetes, since, driver, source }) => [kubernetes, since, driver, source]),
)}

${table(
  ['onnxruntime', 'CUDA', 'cuDNN', 'lowest driver', 'lowest compute capability', 'source'],
  Object.entries(cudaNeeds).map(([version, need]) => [
    version,
    need.cuda,
    need.cudnn,
    need.minimumDriver,
    need.minimumComputeCapability,
    need.source,
  ]),
)}

## OS parameters

\`node\`: user data of fixed node pools (EKS Auto Mode's nodes cannot be tuned). \`pod\`: safe sysctls of the serving pods, on every platform.

${table(
  ['parameter', 'value', 'where', 'why', 'source'],
  parameters.map(([name, { value, scope, why, source }]) => [`\`${name}\``, value, scope, why, source]),
)}

## Middleware

| what | platform local | platform kubernetes | platform aws |
|---|---|---|---|
| database, and the queue on it | PGlite, embedded | Postgres in the namespace, or by address | RDS Postgres, Multi-AZ, any second of 14 days |
| cache | embedded in each worker | Valkey in the namespace, or by address | ElastiCache Valkey, two zones, signs in by IAM |
| models | a folder | ConfigMaps, a store, a volume | S3, versioned, our key |
| images | - | a registry by setting | ECR |

## EKS add-ons

${table(
  ['add-on', 'version', 'needed by'],
  Object.entries(addons).map(([name, { version, neededBy }]) => [
    name,
    version,
    neededBy === 'all' ? 'every cluster' : 'fixed node pools',
  ]),
)}

## Images of others

${table(
  ['what', 'image'],
  Object.entries(images).map(([name, image]) => [name, `\`${image}\``]),
)}

\`imageRegistry\` takes them from a mirror.

## What was not checked where this project is built

No AWS account and no registry of images is reached there. Names and versions are from public sources; before the first \`up\` ask those who
know, each command must find what the tables name:

| what | ask |
| --- | --- |
| images of others | \`docker manifest inspect <image>\`, each of the table above |
| base images of the serving image (\`ARG NODE\`, \`ARG CUDA\` of the Dockerfile) | \`docker manifest inspect <image>\`; others by \`imageBuildArgs\` |
| versions of add-ons | \`aws eks describe-addon-versions --addon-name <add-on> --kubernetes-version 1.34\` |
| AMI releases | \`aws ssm get-parameters-by-path --path /aws/service/eks/optimized-ami/1.34/amazon-linux-2023/x86_64/nvidia\` |
| driver of an AMI release | its release notes at github.com/awslabs/amazon-eks-ami, then \`nvidia-smi\` on one node |
| prices of instances in your region | \`aws pricing get-products --service-code AmazonEC2\`; \`priceFactor\` takes the difference |
| prices of RDS, ElastiCache, EKS, NAT and endpoints (\`infra/policy/cost.ts\`), rounded from the services' pages | the bill of the first week |
| your quota for GPU machines | \`aws service-quotas list-service-quotas --service-code ec2\`; every preview says what is needed |
| GPU metrics on nodes of EKS Auto Mode | \`curl <pod>:9400/metrics\` of the DCGM exporter on one of them |
`;
}
