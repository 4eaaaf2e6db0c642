import { InfraError } from '../errors.ts';
import { type GpuModel, gpus } from './hardware.ts';

/** A GPU machine image: what a node runs before any container of ours starts. */
export interface GpuImage {
  /** Kubernetes minor version of the cluster. */
  readonly kubernetes: string;
  /** First release date of the AMI (YYYYMMDD) from which the row holds, up to the next row of the same version. */
  readonly since: number;
  /** NVIDIA driver branch. */
  readonly driver: number;
  readonly source: string;
}

/**
 * EKS-optimized AL2023_x86_64_NVIDIA images by Kubernetes version. The branch is what AWS bakes in and does not branch further
 * (amazon-eks-ami issue 2417), so pinning the release is the only way to pin the driver.
 */
export const gpuImages: readonly GpuImage[] = [
  {
    kubernetes: '1.33',
    since: 20251103,
    driver: 580,
    source: 'amazon-eks-ami pull request 2484, issue 2470',
  },
  { kubernetes: '1.34', since: 20251103, driver: 580, source: 'amazon-eks-ami issue 2470' },
  {
    kubernetes: '1.35',
    since: 20260101,
    driver: 580,
    source: 'EKS user guide: accelerated AMIs carry driver 580',
  },
];

/** What a release of onnxruntime-node's CUDA libraries needs. */
export interface CudaNeed {
  readonly cuda: string;
  readonly cudnn: string;
  /** Lowest driver branch that runs that CUDA by minor version compatibility. */
  readonly minimumDriver: number;
  /** Lowest compute capability its kernels were built for. */
  readonly minimumComputeCapability: number;
  readonly source: string;
}

/** Keyed by onnxruntime's major.minor version. */
export const cudaNeeds: Readonly<Record<string, CudaNeed>> = {
  '1.30': {
    cuda: '12',
    cudnn: '9',
    minimumDriver: 525,
    minimumComputeCapability: 6.0,
    source:
      'onnxruntime CUDA execution provider: CUDA 12.x, cuDNN 9.x; NVIDIA CUDA compatibility: 12.x runs on driver 525.60.13 and later',
  },
};

/** What a GPU node pool is about to be made of. */
export interface GpuStack {
  /** Where it is set, for the message: `nodePools[0] (gpu-fixed)`. */
  readonly where: string;
  readonly kubernetes: string;
  /** `1.34.4-20260318`: what `releaseVersion` of a managed node group takes; absent on EKS Auto Mode, where AWS keeps driver and image in step. */
  readonly amiRelease?: string | undefined;
  readonly gpu: GpuModel;
  /** Version of onnxruntime in the serving image. */
  readonly onnxruntime: string;
}

/** The chain that was checked, for the preview. */
export interface CheckedGpuStack {
  readonly driver: number | 'managed';
  readonly cuda: string;
  readonly cudnn: string;
  readonly reason: string;
}

/**
 * Checks AMI -> driver -> CUDA -> onnxruntime -> GPU before anything is created: a mismatch would only show as pods that fail to start.
 * @throws InfraError HARDWARE_INCOMPATIBLE naming the link that does not hold
 */
export function checkGpuStack(stack: GpuStack): CheckedGpuStack {
  const refuse = (why: string) => {
    throw new InfraError('HARDWARE_INCOMPATIBLE', `${stack.where}: ${why}`);
  };
  const need = cudaNeeds[stack.onnxruntime.split('.').slice(0, 2).join('.')];
  if (!need) return refuse(`onnxruntime ${stack.onnxruntime} has no row, so its CUDA version is not known.`);
  const gpu = gpus[stack.gpu];
  if (gpu.computeCapability < need.minimumComputeCapability) {
    refuse(
      `${gpu.model} has compute capability ${gpu.computeCapability}, onnxruntime ${stack.onnxruntime} needs ${need.minimumComputeCapability}.`,
    );
  }
  const runtime = `onnxruntime ${stack.onnxruntime} on CUDA ${need.cuda} and cuDNN ${need.cudnn}`;
  if (stack.amiRelease === undefined) {
    return {
      driver: 'managed',
      cuda: need.cuda,
      cudnn: need.cudnn,
      reason: `${runtime}; EKS Auto Mode keeps image and driver in step`,
    };
  }
  const release = /^(\d+\.\d+)\.\d+-(\d{8})$/.exec(stack.amiRelease);
  if (!release) return refuse(`'${stack.amiRelease}' is no pinned AMI release such as 1.34.4-20260318.`);
  const [, minor, date] = release;
  if (minor !== stack.kubernetes) {
    refuse(
      `AMI release ${stack.amiRelease} is for Kubernetes ${minor}, the cluster runs ${stack.kubernetes}.`,
    );
  }
  const image = gpuImages
    .filter((row) => row.kubernetes === minor && row.since <= Number(date))
    .sort((a, b) => b.since - a.since)[0];
  if (!image) return refuse(`the driver of AMI release ${stack.amiRelease} is not known.`);
  if (image.driver < need.minimumDriver) {
    refuse(
      `driver ${image.driver} of AMI release ${stack.amiRelease} is too old for ${runtime} (needs ${need.minimumDriver}).`,
    );
  }
  return {
    driver: image.driver,
    cuda: need.cuda,
    cudnn: need.cudnn,
    reason: `AMI ${stack.amiRelease} carries driver ${image.driver} (${image.source}), enough for ${runtime} on ${gpu.model}`,
  };
}
