/**
 * `npx tsx bench/serving/scanner.ts`: how many times as fast as JSON.parse the scanner reads 784 numbers. JSON.parse is given text that
 * is decoded already and its array is not made into a tensor; the scanner is given a body's bytes and makes the tensor. CPU time, both
 * in turn. Prints JSON: the median of the rounds by significant digits.
 */
import { JsonReader } from '../../serving/wire/reader.ts';

const rounds = 61;
const timesEach = 200;

const written = {
  4: (value: number) => value.toFixed(4),
  17: (value: number) => value.toPrecision(17),
} as const;

/** CPU microseconds of so many reads. */
function timeOf(read: () => unknown): number {
  const started = process.cpuUsage();
  for (let time = 0; time < timesEach; time++) read();
  const { user, system } = process.cpuUsage(started);
  return user + system;
}

function timesAsFast(digits: keyof typeof written): number {
  const numbers = Array.from({ length: 784 }, (_, index) => written[digits](Math.abs(Math.sin(index + 1))));
  const text = `[${numbers.join(',')}]`;
  const body = Buffer.from(text);
  const parse = () => JSON.parse(text);
  const scan = () => new JsonReader([body], 'token').tensor('float32', '');
  const ratios = Array.from({ length: rounds }, () => timeOf(parse) / timeOf(scan));
  return ratios.sort((a, b) => a - b)[rounds >> 1] as number;
}

// The first look only warms both up.
timesAsFast(4);
process.stdout.write(`${JSON.stringify({ 4: timesAsFast(4), 17: timesAsFast(17) })}\n`);
