import { JsonReader } from '../../../serving/wire/reader.ts';
import { tensorText } from '../../../serving/wire/writer.ts';

/** Writes the float32 of these bits and reads them again; throws at the first that is not the same. */
export function compareWritten(bits: Uint32Array): void {
  const data = new Float32Array(bits.buffer, bits.byteOffset, bits.length);
  const text = tensorText({ dtype: 'float32', shape: [data.length], data }, 'token');
  const back = new JsonReader([Buffer.from(text)], 'token').tensor('float32', '').data as Float32Array;
  const backBits = new Uint32Array(back.buffer, back.byteOffset, back.length);
  for (let index = 0; index < bits.length; index++) {
    if (bits[index] === backBits[index] || Number.isNaN(data[index]!)) continue;
    throw new Error(`float32 ${data[index]} (bits ${bits[index]!.toString(16)}) came back as ${back[index]}`);
  }
}

/** How many digits the shortest decimal of a float32 has, found by trying. */
export function shortestDigits(value: number): number {
  for (let digits = 1; digits < 9; digits++) {
    if (Math.fround(Number(value.toPrecision(digits))) === value) return digits;
  }
  return 9;
}
