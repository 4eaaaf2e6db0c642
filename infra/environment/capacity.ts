import type { DeviceProfile, Profile } from '../../conversion/manifest/index.ts';
import { type GpuModel, gpus } from './hardware.ts';

/** What a device does with a model: measured, or estimated and saying so. */
export interface DeviceCapacity {
  /** Milliseconds for a batch of `batch` rows, median. */
  batchMs(batch: number): number;
  /** Largest batch that was measured, 1 where nothing was. */
  readonly largestBatch: number;
  /** From load to first answer. */
  readonly loadMs: number;
  /** Memory of one process beyond the server's own. */
  readonly memoryBytes: number;
  readonly measured: boolean;
  readonly basis: string;
}

/** What sizing knows of a model without measuring it. */
export interface ModelFacts {
  readonly name: string;
  /** Bytes of the artifact: weights and graph. */
  readonly sizeBytes: number;
  /** Numbers in one row of input. */
  readonly inputElements: number;
}

/** Weights are read once a row, at half of what one core of a current server reads from memory. */
const assumedBytesPerMs = 2e6;
/** Half precision rarely reaches a tenth of a GPU's peak at serving's batch sizes. */
const assumedGpuEfficiency = 0.1;
/** One core with AVX2 in ONNX Runtime's matrix kernels. */
const assumedCoreGflops = 50;

/** Piecewise linear between measured batches, proportional beyond the last. */
function interpolate(profile: DeviceProfile): (batch: number) => number {
  const points = profile.latency;
  return (batch) => {
    const after = points.findIndex((point) => point.batch >= batch);
    if (after === 0) return points[0]!.p50Ms;
    if (after === -1) {
      const last = points.at(-1)!;
      return (last.p50Ms * batch) / last.batch;
    }
    const low = points[after - 1]!;
    const high = points[after]!;
    return low.p50Ms + ((high.p50Ms - low.p50Ms) * (batch - low.batch)) / (high.batch - low.batch);
  };
}

function measured(profile: DeviceProfile, scale: number, basis: string): DeviceCapacity {
  const batchMs = interpolate(profile);
  return {
    batchMs: (batch) => batchMs(batch) * scale,
    largestBatch: profile.latency.at(-1)!.batch,
    loadMs: profile.loadMs,
    memoryBytes: profile.memoryBytes,
    measured: true,
    basis,
  };
}

/** One core of a CPU. A session measured with several threads is counted as keeping all of them busy. */
export function cpuCoreCapacity(model: ModelFacts, profile: Profile | undefined): DeviceCapacity {
  const device = profile?.devices.find((one) => one.executionProvider === 'cpu');
  if (device) {
    const threads = device.threads === 1 ? '1 thread' : `${device.threads} threads`;
    return measured(device, device.threads, `measured on ${device.device}, ${threads}`);
  }
  const rowMs = 1 + model.sizeBytes / assumedBytesPerMs;
  return {
    batchMs: (batch) => rowMs * batch,
    largestBatch: 1,
    loadMs: 1000 + model.sizeBytes / 1e5,
    memoryBytes: model.sizeBytes * 3,
    measured: false,
    basis: `not measured: assumed 1 ms a row plus ${model.sizeBytes} bytes at ${assumedBytesPerMs / 1e6} GB/s`,
  };
}

/** One GPU of a kind: measured on it, scaled from another GPU, or estimated from the CPU's figure. */
export function gpuCapacity(model: ModelFacts, profile: Profile | undefined, name: GpuModel): DeviceCapacity {
  const gpu = gpus[name];
  const onGpu = profile?.devices.filter((one) => one.executionProvider === 'cuda') ?? [];
  const same = onGpu.find((one) => one.device.includes(gpu.model));
  if (same) return measured(same, 1, `measured on ${same.device}`);
  for (const other of onGpu) {
    const known = Object.values(gpus).find((one) => other.device.includes(one.model));
    if (!known) continue;
    return {
      ...measured(other, known.float16Tflops / gpu.float16Tflops, ''),
      measured: false,
      basis: `not measured on ${gpu.model}: scaled from ${other.device} by peak throughput`,
    };
  }
  const core = cpuCoreCapacity(model, profile);
  const speedup = (gpu.float16Tflops * 1000 * assumedGpuEfficiency) / assumedCoreGflops;
  return {
    // A launch costs a few tens of microseconds however small the work is.
    batchMs: (batch) => 0.05 + core.batchMs(batch) / speedup,
    largestBatch: 32,
    loadMs: core.loadMs + 5000,
    memoryBytes: core.memoryBytes,
    measured: false,
    basis: `not measured: a core's ${core.measured ? 'measured' : 'assumed'} time divided by ${Math.round(speedup)} (a tenth of ${gpu.model}'s peak)`,
  };
}
