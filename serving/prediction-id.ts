import { randomFillSync } from 'node:crypto';
import { V7Generator } from 'uuidv7';

/** Random words are fetched many at a time: a call for each would cost more than the rest of the id. */
const pool = new Uint32Array(1024);
let next = pool.length;

const generator = new V7Generator({
  nextUint32: () => {
    if (next === pool.length) {
      randomFillSync(pool);
      next = 0;
    }
    return pool[next++] as number;
  },
});

const digits = Buffer.from('0123456789abcdef');
/** Where the two digits of each byte go. */
const places = Uint8Array.from(
  { length: 16 },
  (_, byte) => 2 * byte + [4, 6, 8, 10].filter((at) => at <= byte).length,
);
const text = Buffer.alloc(36, '-');

/** A UUIDv7 for the header x-modelmile-prediction-id (contract 5). */
export function newPredictionId(): string {
  const { bytes } = generator.generate();
  for (let at = 0; at < 16; at++) {
    const byte = bytes[at] as number;
    const place = places[at] as number;
    text[place] = digits[byte >> 4] as number;
    text[place + 1] = digits[byte & 15] as number;
  }
  // In one piece: a text that is joined of twenty parts is a tree of them until somebody reads it.
  return text.toString('latin1');
}
