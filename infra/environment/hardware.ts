/** A GPU as CUDA sees it. */
export interface Gpu {
  readonly model: string;
  readonly memoryGiB: number;
  /** CUDA compute capability. */
  readonly computeCapability: number;
  /** Dense float16 tensor throughput, for estimates where nothing was measured. */
  readonly float16Tflops: number;
}

/** Source: NVIDIA's data sheets (dense, without sparsity). */
export const gpus = {
  T4: { model: 'NVIDIA T4', memoryGiB: 16, computeCapability: 7.5, float16Tflops: 65 },
  A10G: { model: 'NVIDIA A10G', memoryGiB: 24, computeCapability: 8.6, float16Tflops: 70 },
  L4: { model: 'NVIDIA L4', memoryGiB: 24, computeCapability: 8.9, float16Tflops: 121 },
  L40S: { model: 'NVIDIA L40S', memoryGiB: 48, computeCapability: 8.9, float16Tflops: 362 },
  A100: { model: 'NVIDIA A100', memoryGiB: 40, computeCapability: 8.0, float16Tflops: 312 },
  H100: { model: 'NVIDIA H100', memoryGiB: 80, computeCapability: 9.0, float16Tflops: 990 },
} as const satisfies Record<string, Gpu>;
export type GpuModel = keyof typeof gpus;

/** One EC2 instance type that sizing may choose. */
export interface InstanceType {
  readonly vcpus: number;
  readonly memoryGiB: number;
  readonly gpu?: GpuModel | undefined;
  readonly gpuCount?: number | undefined;
  /** On-demand, us-east-1, Linux. */
  readonly usdPerHour: number;
}

/**
 * Prices: the on-demand list that Karpenter's AWS provider v1.14.0 carries (`pkg/providers/pricing`, generated 2026-07-06 for us-east-1);
 * a test compares the table with it where the Go module is at hand. Other regions and discounts: setting `priceFactor`.
 */
export const instanceTypes = {
  'm7i.large': { vcpus: 2, memoryGiB: 8, usdPerHour: 0.1008 },
  'm7i.xlarge': { vcpus: 4, memoryGiB: 16, usdPerHour: 0.2016 },
  'm7i.2xlarge': { vcpus: 8, memoryGiB: 32, usdPerHour: 0.4032 },
  'c7i.large': { vcpus: 2, memoryGiB: 4, usdPerHour: 0.08925 },
  'c7i.xlarge': { vcpus: 4, memoryGiB: 8, usdPerHour: 0.1785 },
  'c7i.2xlarge': { vcpus: 8, memoryGiB: 16, usdPerHour: 0.357 },
  'c7i.4xlarge': { vcpus: 16, memoryGiB: 32, usdPerHour: 0.714 },
  'c7i.8xlarge': { vcpus: 32, memoryGiB: 64, usdPerHour: 1.428 },
  'g4dn.xlarge': { vcpus: 4, memoryGiB: 16, gpu: 'T4', gpuCount: 1, usdPerHour: 0.526 },
  'g4dn.12xlarge': { vcpus: 48, memoryGiB: 192, gpu: 'T4', gpuCount: 4, usdPerHour: 3.912 },
  'g5.xlarge': { vcpus: 4, memoryGiB: 16, gpu: 'A10G', gpuCount: 1, usdPerHour: 1.006 },
  'g5.12xlarge': { vcpus: 48, memoryGiB: 192, gpu: 'A10G', gpuCount: 4, usdPerHour: 5.672 },
  'g6.xlarge': { vcpus: 4, memoryGiB: 16, gpu: 'L4', gpuCount: 1, usdPerHour: 0.8048 },
  'g6.2xlarge': { vcpus: 8, memoryGiB: 32, gpu: 'L4', gpuCount: 1, usdPerHour: 0.9776 },
  'g6.12xlarge': { vcpus: 48, memoryGiB: 192, gpu: 'L4', gpuCount: 4, usdPerHour: 4.6016 },
  'g6.48xlarge': { vcpus: 192, memoryGiB: 768, gpu: 'L4', gpuCount: 8, usdPerHour: 13.3504 },
  'g6e.xlarge': { vcpus: 4, memoryGiB: 32, gpu: 'L40S', gpuCount: 1, usdPerHour: 1.861 },
  'g6e.12xlarge': { vcpus: 48, memoryGiB: 384, gpu: 'L40S', gpuCount: 4, usdPerHour: 10.49264 },
  'p4d.24xlarge': { vcpus: 96, memoryGiB: 1152, gpu: 'A100', gpuCount: 8, usdPerHour: 21.957642 },
  'p5.4xlarge': { vcpus: 16, memoryGiB: 256, gpu: 'H100', gpuCount: 1, usdPerHour: 6.88 },
  'p5.48xlarge': { vcpus: 192, memoryGiB: 2048, gpu: 'H100', gpuCount: 8, usdPerHour: 55.04 },
} as const satisfies Record<string, InstanceType>;
export type InstanceTypeName = keyof typeof instanceTypes;

/** The row of an instance type, wide: every property is there or undefined. */
export function instanceType(name: InstanceTypeName): InstanceType {
  return instanceTypes[name];
}

/** Hours in an average month, as AWS's own calculator counts them. */
export const hoursPerMonth = 730;
