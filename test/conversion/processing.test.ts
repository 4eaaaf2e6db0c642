import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from '@jest/globals';
import type { Conversion } from '../../conversion/index.ts';
import { convert, convertCached, readVersion, writeVersion } from '../../conversion/index.ts';

/** A model of 9 numbers a row and two classes, and the columns declared for it. */
const credit = fileURLToPath(new URL('../serving/processing/fixtures/credit.h5', import.meta.url));
const digits = fileURLToPath(new URL('../../samples/digits/model.h5', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'modelmile-declared-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const text = (conversion: Conversion) => new TextDecoder().decode(conversion.manifestBytes);
const file = (content: unknown) => {
  const path = join(folder, 'some.processing.json');
  writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content));
  return path;
};

describe('<model>.processing.json', () => {
  it('goes into the manifest with every default written out, the same bytes each time', async () => {
    const conversion = await convert(credit);
    expect(text(await convert(credit))).toBe(text(conversion));
    expect(conversion.manifest.labels).toEqual(['low', 'high']);
    expect(conversion.manifest.postprocessing).toEqual({ tensor: 'risk', top: 2 });
    const [age, , home, plan] = (
      conversion.manifest.preprocessing!['applicant'] as { features: { name: string }[] }
    ).features;
    expect(age).toMatchObject({ name: 'age', kind: 'number', scale: 1, offset: 0, default: 40 });
    expect(home).toMatchObject({ unknown: 'other', default: 'rent' });
    expect(plan).toEqual({
      name: 'plan',
      kind: 'category',
      vocabulary: ['1', '3', '7'],
      encoding: 'one-hot',
      unknown: 'refuse',
    });
    await writeVersion(conversion, join(folder, '1'));
    expect((await readVersion(join(folder, '1'))).digest).toBe(conversion.digest);
  });

  it('is as its page shows it: the examples fit the models that they are of', async () => {
    const page = readFileSync(new URL('../../docs/processing.md', import.meta.url), 'utf8');
    const [shapes, columns] = [...page.matchAll(/```json\n([\s\S]*?)```/g)].map(([, text]) => text as string);
    const first = await convert(credit.replace('credit', 'shapes'), { processing: file(shapes) });
    expect(first.manifest.labels).toHaveLength(4);
    const second = await convert(credit, { processing: file(columns) });
    expect(Object.keys(second.manifest.preprocessing!)).toEqual(['applicant']);
  });

  it('makes another version where it changes, in the cache too, and is handed on to a challenger', async () => {
    const model = join(folder, 'credit.h5');
    const cache = join(folder, 'cache');
    copyFileSync(credit, model);
    const bare = await convertCached(model, {}, cache);
    expect(bare.manifest.preprocessing).toBeUndefined();
    copyFileSync(credit.replace('.h5', '.processing.json'), join(folder, 'credit.processing.json'));
    const declared = await convertCached(model, {}, cache);
    expect(declared.digest).not.toBe(bare.digest);
    expect((await convertCached(model, {}, cache)).digest).toBe(declared.digest);
    const bareAgain = await convert(credit, { processing: {} });
    expect(bareAgain.manifest.preprocessing).toBeUndefined();
    rmSync(join(folder, 'credit.processing.json'));
    expect((await convert(model, { processing: declared.manifest })).digest).toBe(declared.digest);
  });

  it('is refused where it does not fit the model: shapes, types, number of labels, categories, names', async () => {
    const image = { height: 28, width: 28, channels: 'gray' };
    const number = { name: 'a', kind: 'number' };
    const misfits: [string, unknown, string][] = [
      [digits, { inputs: { pixels: { image: { ...image, width: 27 } } } }, 'the picture is [28,27,1]'],
      [digits, { inputs: { pixels: { image: { ...image, channels: 'rgb' } } } }, 'the picture is [28,28,3]'],
      [digits, { inputs: { pixels: { image: { ...image, mean: [1, 2] } } } }, 'one for each of 1 channels'],
      [digits, { inputs: { picture: { image } } }, "there is no input 'picture'; the model takes 'pixels'"],
      [digits, { output: { labels: ['a', 'b'] } }, 'there are 2 labels'],
      [digits, { output: { labels: ['a', 'b'], tensor: 'scores' } }, "there is no output 'scores'"],
      [credit, { inputs: { applicant: { features: [number] } } }, 'the features are 1 numbers a row'],
      [
        credit,
        { inputs: { applicant: { features: Array(9).fill(number) } } },
        "the feature 'a' is there twice",
      ],
      [credit, { inputs: { applicant: { features: [{ ...number, kind: 'category' }] } } }, 'vocabulary'],
      [credit, { inputs: { applicant: { pictures: [] } } }, 'inputs.applicant'],
      [credit, '{"inputs":', 'JSON'],
    ];
    for (const [model, content, why] of misfits) {
      const refusal = await convert(model, { processing: file(content) }).catch((error: Error) => error);
      expect(refusal).toMatchObject({
        code: 'CONVERSION_BAD_PROCESSING',
        message: expect.stringContaining(why),
      });
    }
    const missing = await convert(credit, { processing: join(folder, 'none.json') }).catch((error) => error);
    expect(missing).toMatchObject({ code: 'CONVERSION_BAD_PROCESSING' });
  });
});
