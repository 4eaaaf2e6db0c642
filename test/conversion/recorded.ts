import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { unzipSync } from 'fflate';
import { type Conversion, convert } from '../../conversion/index.ts';
import { parsePythonJson } from '../../conversion/readers/python-json.ts';
import { openVersion, runSession, runtimeTensor } from '../../conversion/verify/session.ts';

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
  /** Of what type Keras's own outputs are, as NumPy calls it; archives of before do not say. */
  readonly types?: readonly string[];
}

/** An archive of recorded models in fixtures/; `path` gives a file of one, with what lies in the same folder of the archive. */
export function openRecorded(archive: string) {
  const members = unzipSync(readFileSync(new URL(`./fixtures/${archive}`, import.meta.url)));
  const expected = parsePythonJson(new TextDecoder().decode(members['expected.json'])) as Record<
    string,
    RecordedModel
  >;
  const folder = mkdtempSync(join(tmpdir(), 'modelmile-recorded-'));
  return {
    expected,
    path(file: string): string {
      const beside = dirname(file) === '.' ? [file] : Object.keys(members);
      for (const name of beside.filter((other) => other.startsWith(file.split('/')[0] as string))) {
        mkdirSync(dirname(join(folder, name)), { recursive: true });
        writeFileSync(join(folder, name), members[name] as Uint8Array);
      }
      // A SavedModel is a folder.
      return join(folder, file.replace(/\/saved_model\.pb$/, ''));
    },
    close: () => rmSync(folder, { recursive: true, force: true }),
  };
}

/** Runs a conversion's model on recorded inputs. */
export async function answersOf({ manifest, files }: Conversion, inputs: readonly Recorded[]) {
  const { inputs: specs, outputs } = manifest.signatures['serving_default']!;
  const session = await openVersion(files);
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

const largestOf = (data: readonly number[]) =>
  data.filter(Number.isFinite).reduce((max, v) => Math.max(max, Math.abs(v)), 0);

/** What is infinite or no number is so on both sides, or all is lost. */
function distance(expected: number, actual: number): number {
  if (Object.is(expected, actual) || expected === actual) return 0;
  const error = Math.abs(expected - actual);
  return Number.isFinite(error) ? error : Number.POSITIVE_INFINITY;
}

/** How far an output of a converted model is from the recorded one, and what float32 may be off by. */
export interface Deviation {
  readonly error: number;
  /** Four times Keras's own float32 error, or 1e-5 of the largest value; where that is 0, the last place of the largest input. */
  readonly allowed: number;
  readonly kerasError: number;
  readonly largest: number;
}

/** @throws Error where a shape is another; ConversionError where the model does not convert */
export const deviationsOf = async (path: string, recorded: RecordedModel): Promise<Deviation[]> =>
  deviationsIn(await convert(path), recorded);

/** The same of a model that is converted. */
export async function deviationsIn(conversion: Conversion, recorded: RecordedModel): Promise<Deviation[]> {
  const answers = await answersOf(conversion, recorded.inputs);
  if (answers.length !== recorded.outputs.length)
    throw new Error(`${answers.length} outputs, expected ${recorded.outputs.length}`);
  const largestInput = recorded.inputs.reduce((max, { data }) => Math.max(max, largestOf(data)), 0);
  return answers.map((answer, i) => {
    const { shape, data } = recorded.outputs[i]!;
    if (String(answer.shape) !== String(shape))
      throw new Error(`output ${i} is [${answer.shape}], expected [${shape}]`);
    const largest = largestOf(data);
    // Of infinite numbers Keras's own distance is none.
    const kerasError = recorded.kerasErrors[i]! || 0;
    const error = data.reduce((max, v, k) => Math.max(max, distance(v, answer.data[k] as number)), 0);
    const lastPlace = largest === 0 ? 2 ** -23 * largestInput : 0;
    return { error, allowed: Math.max(1e-5 * largest, 4 * kerasError, lastPlace), kerasError, largest };
  });
}

/** What is wrong with a converted model's answers. */
export async function faultsOf(path: string, recorded: RecordedModel): Promise<string[]> {
  const conversion = await convert(path);
  const { outputs } = conversion.manifest.signatures['serving_default']!;
  // Every float is a float32.
  const wanted = recorded.types?.map((type) => type.replace('float64', 'float32')) ?? [];
  const types = wanted.flatMap((type, i) =>
    outputs[i]?.dtype === type ? [] : [`output ${i} is ${outputs[i]?.dtype}, expected ${type}`],
  );
  const numbers = (await deviationsIn(conversion, recorded)).flatMap(({ error, allowed }, i) =>
    error <= allowed ? [] : [`output ${i} is off by ${error}, allowed are ${allowed}`],
  );
  return [...types, ...numbers];
}
