import { WireFault } from '../../../serving/wire/faults.ts';
import { JsonReader } from '../../../serving/wire/reader.ts';
import { shapeOf, tensorText } from './documents.ts';
import { seeded } from './numbers.ts';

/**
 * Reads generated documents, most of them broken in some way, and throws at the first that is accepted where JSON.parse refuses it
 * or sees no rectangular array of numbers, or the other way round, or with another shape or value.
 */
export function compareDocuments(count: number, seed: number): { accepted: number; refused: number } {
  const random = seeded(seed);
  const counts = { accepted: 0, refused: 0 };
  for (let index = 0; index < count; index++) {
    const body = Buffer.from(tensorText(random));
    const expected = parse(body.toString());
    // JSON.parse makes Infinity of a number that is too large; who refuses Infinity refuses that too.
    const allFinite = [expected?.value].flat(64).every((value) => Math.abs(value as number) !== Infinity);
    const shape = expected && allFinite ? shapeOf(expected.value) : undefined;
    const got = read(body);
    const isSame = shape
      ? got !== undefined &&
        got.shape.join() === shape.join() &&
        [expected?.value].flat(64).every((value, at) => Object.is(value, got.data[at]))
      : got === undefined;
    if (!isSame)
      throw new Error(
        `${JSON.stringify(body.toString())}: expected ${shape}, got ${got?.shape} (seed ${seed})`,
      );
    counts[shape ? 'accepted' : 'refused']++;
  }
  return counts;
}

function parse(text: string): { value: unknown } | undefined {
  try {
    return { value: JSON.parse(text) };
  } catch {
    return undefined;
  }
}

function read(body: Uint8Array) {
  try {
    const reader = new JsonReader([body], 'reject');
    const tensor = reader.tensor('float64', '');
    reader.end();
    return tensor;
  } catch (error) {
    if (error instanceof WireFault) return undefined;
    throw error;
  }
}
