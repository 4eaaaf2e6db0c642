/** Prints the digest of every conversion of an archive's models to a target, by every method, as JSON: one half of determinism.full.ts. */
import { ConversionError, convert } from '../../../conversion/index.ts';
import { targets } from '../../../conversion/targets/index.ts';
import { openRecorded } from '../recorded.ts';

const [archive, target] = process.argv.slice(2) as [string, keyof typeof targets];
const recorded = openRecorded(archive);
const digests: Record<string, string> = {};
for (const { files } of Object.values(recorded.expected)) {
  for (const file of files) {
    for (const method of Object.keys(targets[target].methods)) {
      const key = `${file} ${method}`;
      try {
        // What a lossy method costs is another matter.
        const budget = { relativeError: Number.MAX_VALUE };
        digests[key] = (await convert(recorded.path(file), { target, method, budget })).digest;
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
