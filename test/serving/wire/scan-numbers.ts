import { JsonReader } from '../../../serving/wire/reader.ts';
import { numbersOfOneForm, numberText, seeded } from './numbers.ts';

const spaces = ['', '', '', ' ', '\n\t', '  \r\n'];

/**
 * Reads `count` generated numbers in arrays of up to 1,000 and throws at the first whose float32 or float64 is not the one that
 * JSON.parse gives.
 */
export function compareNumbers(count: number, seed: number): void {
  const random = seeded(seed);
  for (let done = 0; done < count; ) {
    const size = Math.min(1 + Math.floor(random() * 1000), count - done);
    const isOneForm = random() < 0.3;
    const texts = Array.from(
      { length: size },
      isOneForm ? numbersOfOneForm(random) : () => numberText(random),
    );
    const space = spaces[Math.floor(random() * spaces.length)]!;
    const body = isOneForm
      ? `[${texts.join(random() < 0.5 ? ',' : ', ')}]`
      : `[${texts.map((text) => `${space}${text}${space}`).join(',')}]`;
    const expected = JSON.parse(body) as number[];
    const parts = [Buffer.from(body)];
    const single = new JsonReader(parts, 'token').tensor('float32', '').data;
    const double = new JsonReader(parts, 'token').tensor('float64', '').data;
    for (let index = 0; index < size; index++) {
      const value = expected[index]!;
      if (!Object.is(single[index], Math.fround(value)) || !Object.is(double[index], value)) {
        throw new Error(
          `${texts[index]}: JSON.parse ${value}, float32 ${single[index]}, float64 ${double[index]} (seed ${seed})`,
        );
      }
    }
    if (single.length !== size || double.length !== size)
      throw new Error(`${single.length} of ${size} numbers`);
    done += size;
  }
}
