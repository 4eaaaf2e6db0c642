/** 10,000,000 numbers and 2,000,000 documents against JSON.parse: `npm run test:full -- serving`. */

import { fullCount } from '../../support/full-count.ts';
import { compareDocuments } from '../wire/scan-documents.ts';
import { compareNumbers } from '../wire/scan-numbers.ts';

const chunks = 10;
const numbersEach = 1_000_000;
const documentsEach = 200_000;

await fullCount(import.meta.url, {
  title: 'JSON scanner',
  what: 'Generated numbers of every kind must be read bit for bit as JSON.parse and Math.fround read them; generated documents, most of them broken, must be accepted where JSON.parse gives a rectangular array of numbers, and nowhere else.',
  chunks,
  run(_chunk, seed) {
    compareNumbers(numbersEach, seed);
    return compareDocuments(documentsEach, seed);
  },
  report: (all) => ({
    'numbers, float32 and float64': chunks * numbersEach,
    'documents accepted': all.reduce((sum, { accepted }) => sum + accepted, 0),
    'documents refused': all.reduce((sum, { refused }) => sum + refused, 0),
    differences: 0,
  }),
});
