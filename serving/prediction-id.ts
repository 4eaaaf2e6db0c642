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

/** A UUIDv7 for the header x-modelmile-prediction-id (contract 5). */
export const newPredictionId = (): string => generator.generate().toString();
