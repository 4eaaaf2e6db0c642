import { InferenceSession, Tensor } from 'onnxruntime-node';
import type { Signature } from '../../conversion/manifest/index.ts';
import { ServingError } from '../errors.ts';
import { ProviderWitness } from './provider-use.ts';
import { arrayTypes, type TensorData, type TensorValue } from './tensor.ts';

// ONNX Runtime reports about every session to its maker, where nobody tells it not to. Read when the first session is opened.
process.env['ORT_DISABLE_TELEMETRY'] ??= '1';

/** A loaded model: runs batches. Both `open` and `run` block the thread that they are on (onnxruntime-node 1.30). */
export interface Session {
  /**
   * Answers undefined where `take` does: it gives the inputs, and is asked once, at the last moment before the thread is blocked.
   * @throws ServingError SERVING_INFERENCE_FAILED, and what `take` throws
   */
  run(take: () => readonly TensorValue[] | undefined): Promise<readonly TensorValue[] | undefined>;
  /** After the first run. @throws Error where the provider that was asked for took no part in it */
  confirmProvider(): Promise<void>;
  close(): Promise<void>;
}

/** onnxruntime-node wants its strings as text; everything else is handed over as it is. */
function feedOf({ dtype, data, shape }: TensorValue): Tensor {
  if (Array.isArray(data)) {
    const texts = data.map((text) => (typeof text === 'string' ? text : Buffer.from(text).toString('utf8')));
    return new Tensor('string', texts, shape);
  }
  return new Tensor(dtype as 'float32', data as Float32Array, shape as number[]);
}

function resultOf(name: string, dtype: TensorValue['dtype'], tensor: Tensor): TensorValue {
  const { data, dims } = tensor;
  if (dtype === 'string') return { name, dtype, shape: dims, data: data as string[] };
  const View = arrayTypes[dtype];
  // Where the platform has Float16Array the runtime gives that; its bits are what we keep.
  const bits = data instanceof View ? data : new View((data as Float32Array).buffer as ArrayBuffer);
  return { name, dtype, shape: dims, data: bits as TensorData };
}

/**
 * Opens a model on `threads` threads of the CPU, or on the GPU.
 * @throws Error of ONNX Runtime where it refuses the file, or has no such provider.
 */
export async function openSession(
  modelPath: string,
  signature: Signature,
  threads: number,
  provider: 'cpu' | 'cuda',
): Promise<Session> {
  const witness = provider === 'cuda' ? await ProviderWitness.create() : undefined;
  const session = await InferenceSession.create(modelPath, {
    executionProviders: [provider],
    ...witness?.options,
    intraOpNumThreads: threads,
    interOpNumThreads: 1,
    logSeverityLevel: 3,
    graphOptimizationLevel: 'all',
    // Threads that wait for work by spinning burn a core that other requests need.
    extra: { session: { intra_op: { allow_spinning: '0' } } },
  }).catch(async (error: Error) => {
    await witness?.discard();
    throw error;
  });
  const names = signature.outputs.map((spec) => spec.name);
  const nothing = Object.fromEntries(signature.inputs.map(({ name }) => [name, null as unknown as Tensor]));
  return {
    async run(take) {
      const feeds = { ...nothing };
      let asked: (() => readonly TensorValue[] | undefined) | undefined;
      const ask = () => {
        try {
          const inputs = take();
          asked = () => inputs;
          for (const input of inputs ?? []) feeds[input.name] = feedOf(input);
        } catch (error) {
          asked = () => {
            throw error;
          };
        }
      };
      // The runtime waits for an immediate of its own, and reads the feeds in it; this one is ahead of it. Were it not, it would find null.
      const asking = setImmediate(ask);
      try {
        const results = await session.run(feeds, names);
        return signature.outputs.map(({ name, dtype }) => resultOf(name, dtype, results[name] as Tensor));
      } catch (error) {
        clearImmediate(asking);
        if (asked === undefined) ask();
        if (asked?.() === undefined) return undefined;
        throw new ServingError('SERVING_INFERENCE_FAILED', `ONNX Runtime: ${(error as Error).message}`);
      }
    },
    async confirmProvider() {
      if (witness === undefined) return;
      session.endProfiling();
      await witness.confirm('CUDAExecutionProvider');
    },
    close: () => session.release(),
  };
}
