import type { Profile } from '../../conversion/manifest/index.ts';
import { InfraError } from '../errors.ts';
import { cpuCoreCapacity, type DeviceCapacity, gpuCapacity, type ModelFacts } from './capacity.ts';
import { gpus, hoursPerMonth, type InstanceTypeName, instanceType, instanceTypes } from './hardware.ts';

/** The load a service must carry. */
export interface TargetLoad {
  readonly requestsPerSecond: number;
  readonly rowsPerRequest: number;
  /** Response time that 95 of 100 requests keep, measured at the server. */
  readonly p95Ms: number;
}

export interface SizingRequest {
  readonly model: ModelFacts;
  /** A committed profile.json; without one every figure that rests on it says "not measured". */
  readonly profile?: Profile | undefined;
  readonly load: TargetLoad;
  readonly accelerator: 'auto' | 'cpu' | 'gpu';
  /** Machines that are to be had, those of the node pools for example. @default every known type */
  readonly instanceTypes?: readonly InstanceTypeName[] | undefined;
  /** Multiplies the list prices: other regions, discounts, spot. */
  readonly priceFactor?: number | undefined;
}

/** What the environment and the service are made of. Every choice has its reason in `reasons`. */
export interface Plan {
  readonly accelerator: 'cpu' | 'gpu';
  readonly instanceType: InstanceTypeName;
  readonly nodes: number;
  readonly minReplicas: number;
  readonly maxReplicas: number;
  /** Load of one replica at which scaling adds another. */
  readonly requestsPerSecondPerReplica: number;
  readonly workers: number;
  readonly threads: number;
  readonly cpuMillis: number;
  readonly memoryMiB: number;
  readonly gpusPerReplica: number;
  readonly maxBatchSize: number;
  readonly batchTimeoutMs: number;
  readonly startupDeadlineSeconds: number;
  readonly usdPerMonth: number;
  readonly usdPerMillionPredictions: number;
  readonly measured: boolean;
  /** Manifest digest of what was measured. */
  readonly measuredDigest?: string | undefined;
  readonly reasons: readonly string[];
}

/** Share of the capacity that is used at the target load; the rest absorbs bursts while scaling catches up. */
const utilisation = 0.6;
/** What kubelet, the system and node agents keep to themselves. */
const nodeReserve = { cpuMillis: 400, memoryMiB: 1024 };
/** Supervisor and runtime of an empty server, then one more process a worker. */
const serverMiB = 160;
const workerMiB = 96;
const podCores = [2, 4, 8, 16] as const;

/** CPU time of a request outside the model: HTTP, JSON numbers, checks, the answer. */
const overheadMs = (model: ModelFacts, rows: number) => 0.05 + 0.00015 * model.inputElements * rows;

const ceilTo = (value: number, step: number) => Math.ceil(value / step) * step;
const money = (usd: number) => usd.toFixed(usd < 10 ? 2 : 0);

function startupSeconds(loadMs: number): number {
  return Math.max(60, ceilTo((loadMs * 10) / 1000, 10));
}

function memoryMiB(capacity: DeviceCapacity, workers: number): number {
  const model = (capacity.memoryBytes / 1024 ** 2) * 1.3;
  return ceilTo(serverMiB + workers * (workerMiB + model), 64);
}

const machines = (request: SizingRequest) =>
  request.instanceTypes ?? (Object.keys(instanceTypes) as InstanceTypeName[]);

/** The cheapest nodes that hold the replicas, at least two so that a lost node is not an outage. */
function cheapestCpuNodes(
  types: readonly InstanceTypeName[],
  replicas: number,
  cpuMillis: number,
  podMiB: number,
) {
  const candidates = types.flatMap((name) => {
    const type = instanceType(name);
    if (type.gpu) return [];
    const perNode = Math.min(
      Math.floor((type.vcpus * 1000 - nodeReserve.cpuMillis) / cpuMillis),
      Math.floor((type.memoryGiB * 1024 - nodeReserve.memoryMiB) / podMiB),
    );
    if (perNode < 1) return [];
    const nodes = Math.max(2, Math.ceil(replicas / perNode));
    return [{ name, nodes, usdPerHour: nodes * type.usdPerHour }];
  });
  return candidates.sort((a, b) => a.usdPerHour - b.usdPerHour)[0];
}

function finish(
  request: SizingRequest,
  usdPerHour: number,
  plan: Omit<Plan, 'usdPerMonth' | 'usdPerMillionPredictions'>,
): Plan {
  const perHour = usdPerHour * (request.priceFactor ?? 1);
  const predictionsPerHour = request.load.requestsPerSecond * request.load.rowsPerRequest * 3600;
  const usdPerMonth = perHour * hoursPerMonth;
  return {
    ...plan,
    measuredDigest: request.profile?.digest,
    usdPerMonth,
    usdPerMillionPredictions: (perHour / predictionsPerHour) * 1e6,
    reasons: [
      ...plan.reasons,
      `${plan.nodes} x ${plan.instanceType} = ${money(usdPerMonth)} USD a month (on-demand list, us-east-1, x ${request.priceFactor ?? 1})`,
    ],
  };
}

function planCpu(request: SizingRequest): Plan | undefined {
  const { model, load } = request;
  const core = cpuCoreCapacity(model, request.profile);
  const inferMs = core.batchMs(load.rowsPerRequest);
  const requestMs = inferMs + overheadMs(model, load.rowsPerRequest);
  // One thread a worker serves most requests a second; several threads shorten one request, with a loss of about a fifth each doubling.
  const alone = (threads: number) => requestMs / threads ** 0.8;
  const budgetMs = load.p95Ms / 2;
  const cores = podCores.find((count) => alone(count) <= budgetMs);
  if (cores === undefined) return undefined;
  const threads = requestMs <= budgetMs ? 1 : cores;
  const workers = Math.floor(cores / threads);
  const perReplica = ((workers * 1000) / (threads === 1 ? requestMs : alone(threads))) * utilisation;
  const minReplicas = Math.max(2, Math.ceil(load.requestsPerSecond / perReplica));
  const podMiB = memoryMiB(core, workers);
  const place = cheapestCpuNodes(machines(request), minReplicas, cores * 1000, podMiB);
  if (!place) return undefined;
  return finish(request, place.usdPerHour, {
    accelerator: 'cpu',
    instanceType: place.name,
    nodes: place.nodes,
    minReplicas,
    maxReplicas: minReplicas * 3,
    requestsPerSecondPerReplica: Math.max(1, Math.floor(perReplica)),
    workers,
    threads,
    cpuMillis: cores * 1000,
    memoryMiB: podMiB,
    gpusPerReplica: 0,
    maxBatchSize: 64,
    batchTimeoutMs: 0,
    startupDeadlineSeconds: startupSeconds(core.loadMs),
    measured: core.measured,
    reasons: [
      `CPU: ${inferMs.toFixed(3)} ms a request of ${load.rowsPerRequest} row(s) on one core (${core.basis}) + ${overheadMs(model, load.rowsPerRequest).toFixed(3)} ms around it`,
      `${workers} worker(s) x ${threads} thread(s): ${threads === 1 ? `one thread keeps p95 ${load.p95Ms} ms with half of it to spare` : `one thread would take ${requestMs.toFixed(1)} ms`}`,
      `${minReplicas} replicas: ${load.requestsPerSecond} requests/s at ${Math.floor(perReplica)} a replica (${utilisation * 100} % of its capacity), never fewer than 2`,
      'batch window 0 ms: on a CPU a larger batch saves less than waiting for it costs',
    ],
  });
}

function planGpu(request: SizingRequest): Plan | undefined {
  const { model, load } = request;
  const plans = machines(request).flatMap((name) => {
    const type = instanceType(name);
    if (!type.gpu || type.gpuCount !== 1) return [];
    const device = gpuCapacity(model, request.profile, type.gpu);
    if (device.memoryBytes * 1.5 > gpus[type.gpu].memoryGiB * 1024 ** 3) return [];
    const batches = [1, 2, 4, 8, 16, 32, 64].filter(
      (batch) => batch >= load.rowsPerRequest && batch <= Math.max(device.largestBatch, load.rowsPerRequest),
    );
    const fitting = batches.filter((batch) => device.batchMs(batch) <= load.p95Ms / 2);
    const batch = fitting.sort((a, b) => b / device.batchMs(b) - a / device.batchMs(a))[0];
    if (batch === undefined) return [];
    const gpuRequests = (batch / device.batchMs(batch) / load.rowsPerRequest) * 1000;
    const cpuRequests = ((type.vcpus - 1) * 1000) / overheadMs(model, load.rowsPerRequest);
    const perReplica = Math.min(gpuRequests, cpuRequests) * utilisation;
    const replicas = Math.max(2, Math.ceil(load.requestsPerSecond / perReplica));
    const cpuMillis = (type.vcpus - 1) * 1000;
    return [
      finish(request, replicas * type.usdPerHour, {
        accelerator: 'gpu',
        instanceType: name,
        nodes: replicas,
        minReplicas: replicas,
        maxReplicas: replicas * 3,
        requestsPerSecondPerReplica: Math.max(1, Math.floor(perReplica)),
        workers: 1,
        threads: 1,
        cpuMillis,
        memoryMiB: Math.min(memoryMiB(device, 1) + 2048, type.memoryGiB * 1024 - nodeReserve.memoryMiB),
        gpusPerReplica: 1,
        maxBatchSize: batch,
        batchTimeoutMs: batch > 1 ? Math.min(5, load.p95Ms / 20) : 0,
        startupDeadlineSeconds: startupSeconds(device.loadMs) + 120,
        measured: device.measured,
        reasons: [
          `GPU: batches of ${batch} take ${device.batchMs(batch).toFixed(3)} ms (${device.basis})`,
          'one inference process a device: two would share its memory and wait for each other',
          `${replicas} replicas: ${load.requestsPerSecond} requests/s at ${Math.floor(perReplica)} a replica, limited by ${gpuRequests < cpuRequests ? 'the GPU' : 'parsing on the CPU'}`,
          `batch window ${batch > 1 ? Math.min(5, load.p95Ms / 20) : 0} ms: at most a twentieth of p95`,
        ],
      }),
    ];
  });
  return plans.sort((a, b) => a.usdPerMonth - b.usdPerMonth)[0];
}

/**
 * environment = g(hardware, OS, middleware), the hardware part: the cheapest plan that carries the load within its response time.
 * @throws InfraError HARDWARE_TOO_SMALL where no known instance type does
 */
export function planHardware(request: SizingRequest): Plan {
  const cpu = request.accelerator === 'gpu' ? undefined : planCpu(request);
  const gpu = request.accelerator === 'cpu' ? undefined : planGpu(request);
  if (cpu && (!gpu || cpu.usdPerMonth <= gpu.usdPerMonth)) {
    const why = gpu
      ? `CPU rather than GPU: the cheapest GPU plan (${gpu.nodes} x ${gpu.instanceType}) costs ${money(gpu.usdPerMonth)} USD a month`
      : 'CPU: as set';
    return { ...cpu, reasons: [why, ...cpu.reasons] };
  }
  if (gpu) {
    const why = cpu
      ? `GPU rather than CPU: the CPU plan costs ${money(cpu.usdPerMonth)} USD a month`
      : request.accelerator === 'gpu'
        ? 'GPU: as set'
        : `GPU: no CPU plan keeps p95 ${request.load.p95Ms} ms`;
    return { ...gpu, reasons: [why, ...gpu.reasons] };
  }
  throw new InfraError(
    'HARDWARE_TOO_SMALL',
    `${request.model.name}: no known instance type answers ${request.load.rowsPerRequest} row(s) within ${request.load.p95Ms} ms.`,
  );
}
