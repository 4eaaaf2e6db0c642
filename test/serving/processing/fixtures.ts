import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** Made by fixtures/make.py with TensorFlow, Keras and Pillow. */
interface Expected {
  readonly pictures: readonly {
    readonly file: string;
    /** What Keras answers to what TensorFlow makes of the file. */
    readonly label: string;
    readonly scores: readonly number[];
    readonly shape: readonly number[];
    /** Of the pixels. */
    readonly sha256: string;
  }[];
  readonly resizes: {
    readonly shape: readonly number[];
    readonly pixels: readonly number[];
    readonly rows: readonly {
      readonly size: readonly number[];
      readonly resize: 'bilinear' | 'nearest';
      readonly crop: boolean;
      readonly values: readonly number[];
    }[];
  };
  readonly columns: {
    readonly rows: readonly Readonly<Record<string, number | string>>[];
    readonly encoded: readonly (readonly number[])[];
    readonly scores: readonly (readonly number[])[];
  };
}

export const fixture = (file: string) => fileURLToPath(new URL(`./fixtures/${file}`, import.meta.url));
export const expected = JSON.parse(readFileSync(fixture('expected.json'), 'utf8')) as Expected;
