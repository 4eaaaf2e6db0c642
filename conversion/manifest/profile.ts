import * as z from 'zod';

/** Time of one `run()` for a batch of `batch` rows, after warm-up. */
export const LatencyPoint = z.strictObject({
  batch: z.int().min(1),
  p50Ms: z.number().min(0),
  p95Ms: z.number().min(0),
  p99Ms: z.number().min(0),
  runs: z.int().min(1),
});
export type LatencyPoint = z.infer<typeof LatencyPoint>;

/** The same model measured on one kind of device. */
const DeviceProfile = z.strictObject({
  /** ONNX Runtime execution provider that really ran it. */
  executionProvider: z.enum(['cpu', 'cuda']),
  /** Processor or GPU model as the machine names it, for example `AMD EPYC 7R13`, `NVIDIA L4`. */
  device: z.string().min(1),
  /** Threads of the session; a GPU session has 1. */
  threads: z.int().min(1),
  onnxruntime: z.string().min(1),
  /** Ascending batch sizes; batch 1 is always there. */
  latency: z.array(LatencyPoint).min(1),
  /** From the call of `create()` to a session that has answered once. */
  loadMs: z.number().min(0),
  /** Resident memory of a process with the model loaded and warm, over one without it. */
  memoryBytes: z.int().min(0),
});
export type DeviceProfile = z.infer<typeof DeviceProfile>;

/** `profile.json` of a model version: what was measured, so it is outside the digest. Sizing reads it (`infra/environment/sizing.ts`). */
export const Profile = z.strictObject({
  profileVersion: z.literal(1),
  /** Manifest digest of what was measured. */
  digest: z.string().regex(/^[0-9a-f]{64}$/, 'a sha256 in lower-case hex'),
  measuredAtMs: z.int(),
  /** Bytes of the artifact, external data included. */
  sizeBytes: z.int().min(1),
  /** Numbers in one row of all inputs together. */
  inputElements: z.int().min(1),
  devices: z.array(DeviceProfile).min(1),
});
export type Profile = z.infer<typeof Profile>;
