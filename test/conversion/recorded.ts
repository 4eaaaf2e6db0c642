import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { unzipSync } from 'fflate';
import { type Conversion, convert } from '../../conversion/index.ts';
import { openSession, runSession, runtimeTensor } from '../../conversion/verify/session.ts';

interface Recorded {
  readonly shape: readonly number[];
  readonly data: readonly number[];
}

/** A model that a real framework saved, and what it answers: fixtures/make_layers.py writes these. */
export interface RecordedModel {
  readonly files: readonly string[];
  readonly inputs: readonly Recorded[];
  /** By the same model in float64. */
  readonly outputs: readonly Recorded[];
  /** How far Keras's own float32 is from that, for each output. */
  readonly kerasErrors: readonly number[];
}

/** An archive of recorded models; `path` gives a file of one in a folder of its own. */
export function openRecorded(archive: string) {
  const members = unzipSync(readFileSync(archive));
  const expected = JSON.parse(new TextDecoder().decode(members['expected.json'])) as Record<
    string,
    RecordedModel
  >;
  const folder = mkdtempSync(join(tmpdir(), 'modelmile-recorded-'));
  return {
    expected,
    path(file: string): string {
      const path = join(folder, file);
      writeFileSync(path, members[file] as Uint8Array);
      return path;
    },
    close: () => rmSync(folder, { recursive: true, force: true }),
  };
}

/** Runs a conversion's model on recorded inputs. */
export async function answersOf({ manifest, files }: Conversion, inputs: readonly Recorded[]) {
  const { inputs: specs, outputs } = manifest.signatures['serving_default']!;
  const session = await openSession(files.get('model.onnx')!);
  try {
    const feeds = Object.fromEntries(
      specs.map((spec, i) => [spec.name, runtimeTensor(spec, inputs[i]!.shape, inputs[i]!.data)] as const),
    );
    return await runSession(
      session,
      feeds,
      outputs.map(({ name }) => name),
    );
  } finally {
    await session.release();
  }
}

/**
 * What is wrong with a converted model's answers: an output is right within four times Keras's own float32 error, or 1e-5 of its
 * largest value.
 */
export async function faultsOf(path: string, recorded: RecordedModel): Promise<string[]> {
  const answers = await answersOf(await convert(path), recorded.inputs);
  return answers.flatMap((answer, i) => {
    const { shape, data } = recorded.outputs[i]!;
    if (String(answer.shape) !== String(shape))
      return [`output ${i} is [${answer.shape}], expected [${shape}]`];
    const largest = data.reduce((max, v) => Math.max(max, Math.abs(v)), 0);
    const allowed = Math.max(1e-5 * largest, 4 * recorded.kerasErrors[i]!);
    const error = data.reduce((max, v, k) => Math.max(max, Math.abs(v - (answer.data[k] as number))), 0);
    return error <= allowed ? [] : [`output ${i} is off by ${error}, allowed are ${allowed}`];
  });
}
