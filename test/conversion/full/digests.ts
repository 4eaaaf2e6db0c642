/** Prints the digest of every conversion of an archive's models to a target, by every method, as JSON: one half of determinism.full.ts. */
import { writeFileSync } from 'node:fs';
import { ConversionError, convert } from '../../../conversion/index.ts';
import { targets } from '../../../conversion/targets/index.ts';
import { openRecorded, type RecordedModel } from '../recorded.ts';

const [archive, target] = process.argv.slice(2) as [string, keyof typeof targets];
const recorded = openRecorded(archive);
const digests: Record<string, string> = {};

/** The recorded inputs as JSON lines, under the names that the converted model gives them. */
function writeRows(path: string, names: readonly string[], { inputs }: RecordedModel): string {
  const count = inputs[0]?.shape[0] ?? 0;
  const lines = Array.from({ length: count }, (_, row) => {
    const rowOf = ({ data }: RecordedModel['inputs'][number]) =>
      data.slice((row * data.length) / count, ((row + 1) * data.length) / count);
    return JSON.stringify({ inputs: Object.fromEntries(inputs.map((each, i) => [names[i], rowOf(each)])) });
  });
  writeFileSync(path, lines.join('\n'));
  return path;
}

for (const model of Object.values(recorded.expected)) {
  for (const file of model.files) {
    /** None before the first method, which is lossless and learns from nothing, has told the names. */
    let calibration: string | undefined;
    for (const method of Object.keys(targets[target].methods)) {
      const key = `${file} ${method}`;
      try {
        // What a lossy method costs is another matter.
        const budget = { relativeError: Number.MAX_VALUE };
        const source = recorded.path(file);
        // What can do with random rows keeps them: some models' recorded inputs are no rows.
        const rows = target === 'tflite' && method === 'static-int8' ? calibration : undefined;
        const options = { target, method, budget, ...(rows === undefined ? {} : { calibration: rows }) };
        const { digest, manifest } = await convert(source, options);
        digests[key] = digest;
        const names = manifest.signatures['serving_default']?.inputs.map(({ name }) => name) ?? [];
        calibration ??= writeRows(`${source}.rows.jsonl`, names, model);
      } catch (error) {
        if (!(error instanceof ConversionError)) throw error;
        // Refusals are as much an answer; where the file lies differs.
        digests[key] = error.code;
        if (method === Object.keys(targets[target].methods)[0]) break;
      }
    }
  }
}
recorded.close();
process.stdout.write(JSON.stringify(digests), () => process.exit(0));
