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

const hex = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'));

/** A UUIDv7 for the header x-modelmile-prediction-id (contract 5). */
export function newPredictionId(): string {
  const { bytes } = generator.generate();
  let text = '';
  for (let at = 0; at < 16; at++) {
    if (at === 4 || at === 6 || at === 8 || at === 10) text += '-';
    text += hex[bytes[at] as number];
  }
  return text;
}
