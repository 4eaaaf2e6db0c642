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
`;
}
