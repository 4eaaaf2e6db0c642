import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { Profile } from '../../conversion/manifest/index.ts';
import { checkGpuStack, cudaNeeds } from '../../infra/environment/compatibility.ts';
import { type InstanceTypeName, instanceType, instanceTypes } from '../../infra/environment/hardware.ts';
import { podSysctls, safeSysctls } from '../../infra/environment/os-parameters.ts';
import { beyondQuota } from '../../infra/environment/quota.ts';
import { planHardware, type SizingRequest } from '../../infra/environment/sizing.ts';

const latency = (batchMs: Record<number, number>) =>
  Object.entries(batchMs).map(([batch, ms]) => ({
    batch: Number(batch),
    p50Ms: ms,
    p95Ms: ms,
    p99Ms: ms,
    runs: 100,
  }));
const profile = (devices: Partial<Profile['devices'][number]>[]): Profile => ({
  profileVersion: 1,
  digest: 'a'.repeat(64),
  measuredAtMs: 0,
  sizeBytes: 400_000,
  inputElements: 784,
  devices: devices.map((device) => ({
    executionProvider: 'cpu',
    device: 'AMD EPYC',
    threads: 1,
    onnxruntime: '1.30.0',
    latency: latency({ 1: 0.025, 32: 0.073 }),
    loadMs: 40,
    memoryBytes: 20_000_000,
    ...device,
  })),
});
const request = (over: Partial<SizingRequest> = {}): SizingRequest => ({
  model: { name: 'digits', sizeBytes: 400_000, inputElements: 784 },
  load: { requestsPerSecond: 500, rowsPerRequest: 1, p95Ms: 100 },
  accelerator: 'auto',
  ...over,
});

const requests = fc.record({
  model: fc.record({
    name: fc.constant('m'),
    sizeBytes: fc.integer({ min: 1000, max: 500_000_000 }),
    inputElements: fc.integer({ min: 1, max: 200_000 }),
  }),
  load: fc.record({
    requestsPerSecond: fc.integer({ min: 1, max: 20_000 }),
    rowsPerRequest: fc.integer({ min: 1, max: 16 }),
    p95Ms: fc.integer({ min: 5, max: 2000 }),
  }),
  accelerator: fc.constantFrom('auto' as const, 'cpu' as const, 'gpu' as const),
});

/** The plan, or undefined where the load cannot be carried, which is refused by name. */
function tryPlan(of: SizingRequest) {
  try {
    return planHardware(of);
  } catch (error) {
    expect((error as { code?: string }).code).toBe('HARDWARE_TOO_SMALL');
    return undefined;
  }
}

describe('sizing', () => {
  it('gives plans whose pods fit their machines and whose capacity carries the load', () => {
    fc.assert(
      fc.property(requests, (of) => {
        const plan = tryPlan(of);
        if (!plan) return;
        const machine = instanceType(plan.instanceType);
        expect(plan.cpuMillis).toBeLessThanOrEqual(machine.vcpus * 1000);
        expect(plan.memoryMiB).toBeLessThanOrEqual(machine.memoryGiB * 1024);
        expect(plan.gpusPerReplica).toBeLessThanOrEqual(machine.gpuCount ?? 0);
        expect(plan.accelerator === 'gpu').toBe(plan.gpusPerReplica > 0);
        expect(plan.minReplicas).toBeGreaterThanOrEqual(2);
        expect(plan.maxReplicas).toBeGreaterThan(plan.minReplicas);
        expect(plan.workers * plan.threads * 1000).toBeLessThanOrEqual(Math.max(plan.cpuMillis, 1000));
        expect(plan.usdPerMonth).toBeGreaterThan(0);
        expect(plan.reasons.length).toBeGreaterThanOrEqual(5);
        expect(plan.reasons.join('\n')).toContain('not measured');
        expect(plan.measured).toBe(false);
      }),
      { numRuns: 300 },
    );
  });

  it('never takes fewer replicas or less money for more load', () => {
    fc.assert(
      fc.property(requests, fc.integer({ min: 2, max: 10 }), (of, factor) => {
        const fixed = { ...of, accelerator: 'cpu' as const };
        const less = tryPlan(fixed);
        const more = tryPlan({
          ...fixed,
          load: { ...of.load, requestsPerSecond: of.load.requestsPerSecond * factor },
        });
        if (!less || !more) return;
        expect(more.minReplicas).toBeGreaterThanOrEqual(less.minReplicas);
        expect(more.usdPerMonth).toBeGreaterThanOrEqual(less.usdPerMonth - 1e-9);
      }),
      { numRuns: 200 },
    );
  });

  it('keeps to the machines of the node pools', () => {
    fc.assert(
      fc.property(
        requests,
        fc.uniqueArray(fc.constantFrom(...(Object.keys(instanceTypes) as InstanceTypeName[])), {
          minLength: 1,
        }),
        (of, types) => {
          const plan = tryPlan({ ...of, instanceTypes: types });
          if (plan) expect(types).toContain(plan.instanceType);
        },
      ),
      { numRuns: 200 },
    );
  });

  it('rests on the profile where there is one, and names the machine that was measured', () => {
    const plan = planHardware(request({ profile: profile([{}]) }));
    expect(plan.measured).toBe(true);
    expect(plan.accelerator).toBe('cpu');
    expect(plan.reasons.join('\n')).toContain('measured on AMD EPYC, 1 thread');
    expect(plan.usdPerMonth).toBeLessThan(planHardware(request()).usdPerMonth + 1e-9);
  });

  it('takes a GPU where no CPU answers in time, and batches up to half of the response time', () => {
    const slow = profile([
      { latency: latency({ 1: 400, 8: 3000 }) },
      {
        executionProvider: 'cuda',
        device: 'NVIDIA L4',
        latency: latency({ 1: 4, 8: 12, 32: 45 }),
        memoryBytes: 2e9,
      },
    ]);
    const plan = planHardware(
      request({
        profile: slow,
        instanceTypes: ['c7i.8xlarge', 'g6.xlarge'],
        load: { requestsPerSecond: 200, rowsPerRequest: 1, p95Ms: 50 },
      }),
    );
    expect(plan).toMatchObject({ accelerator: 'gpu', gpusPerReplica: 1, workers: 1, threads: 1 });
    expect(plan.maxBatchSize).toBe(16);
    expect(plan.reasons[0]).toBe('GPU: no CPU plan keeps p95 50 ms');
  });

  it('says that nothing answers in time, naming the model and the limit', () => {
    expect(() =>
      planHardware(request({ model: { name: 'huge', sizeBytes: 5e11, inputElements: 10 } })),
    ).toThrow(/HARDWARE_TOO_SMALL: huge: .* within 100 ms/);
  });
});

describe('a quota', () => {
  it('is held against what a plan asks for, before pods are refused', () => {
    const plan = planHardware(request({ accelerator: 'gpu' }));
    const quota = { cpus: 64, memoryGiB: 256, gpus: 16, pods: 100 };
    expect(beyondQuota(plan, quota, plan.minReplicas)).toEqual([]);
    expect(beyondQuota(plan, { ...quota, gpus: 1 }, plan.minReplicas)).toEqual([
      'quota.gpus is 1, and 2 replicas ask for 2',
    ]);
    expect(beyondQuota(plan, { ...quota, cpus: 1, pods: 1 }, 2).map((text) => text.split(' ')[0])).toEqual([
      'quota.cpus',
      'quota.pods',
    ]);
  });
});

describe('the price table', () => {
  const cache = process.env['GOMODCACHE'] ?? join(process.env['HOME'] ?? '', 'go/pkg/mod');
  const source = join(
    cache,
    'github.com/aws/karpenter-provider-aws@v1.14.0/pkg/providers/pricing/zz_generated.pricing_aws.go',
  );
  const test = existsSync(source) ? it : it.skip;

  test('is the one of its source', () => {
    const text = readFileSync(source, 'utf8');
    const region = text.slice(text.indexOf('"us-east-1": {'));
    for (const [name, { usdPerHour }] of Object.entries(instanceTypes)) {
      const price = new RegExp(`"${name.replace('.', '\\.')}": ([0-9.]+)`).exec(region)?.[1];
      expect([name, Number(price)]).toEqual([name, usdPerHour]);
    }
  });
});

describe('compatibility of image, driver, CUDA and onnxruntime', () => {
  const stack = {
    where: 'nodePools gpu',
    kubernetes: '1.34',
    amiRelease: '1.34.4-20260318',
    gpu: 'L4',
    onnxruntime: '1.30.0',
  } as const;

  it('knows the onnxruntime that this project serves with', () => {
    const { dependencies } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));
    const version: string = dependencies['onnxruntime-node'];
    expect(Object.keys(cudaNeeds)).toContain(version.split('.').slice(0, 2).join('.'));
  });

  it('names the driver of a pinned image and why it is enough', () => {
    expect(checkGpuStack(stack)).toMatchObject({ driver: 580, cuda: '12', cudnn: '9' });
    expect(checkGpuStack({ ...stack, amiRelease: undefined as never })).toMatchObject({ driver: 'managed' });
  });

  it.each([
    [{ amiRelease: '@latest' }, /no pinned AMI release/],
    [{ amiRelease: '1.33.5-20260318' }, /is for Kubernetes 1.33, the cluster runs 1.34/],
    [{ amiRelease: '1.34.1-20250915' }, /driver of AMI release .* is not known/],
    [{ onnxruntime: '9.9.9' }, /onnxruntime 9.9.9 has no row/],
  ])('refuses %j before anything is made', (change, message) => {
    expect(() => checkGpuStack({ ...stack, ...change })).toThrow(message);
  });
});

describe('OS parameters', () => {
  it('of pods are all on the list that Kubernetes calls safe', () => {
    expect(podSysctls().length).toBeGreaterThan(0);
    for (const { name } of podSysctls()) expect(safeSysctls).toContain(name);
  });
});
