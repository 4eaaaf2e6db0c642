import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from '@jest/globals';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { convert, inspect } from '../../conversion/index.ts';

const fixtures = new URL('./fixtures/custom/', import.meta.url).pathname;
const work = mkdtempSync(join(tmpdir(), 'modelmile-custom-'));
afterAll(() => rmSync(work, { recursive: true, force: true }));

/** What docs/conversion.md tells to write; plain JavaScript here, for Node to load it without a compiler. */
const page = readFileSync(new URL('../../docs/conversion.md', import.meta.url), 'utf8');
const example = /```ts\n([\s\S]*?)```/.exec(page)?.[1] as string;

let files = 0;
function plugIn(text: string): string {
  const path = join(work, `layers-${files++}.mjs`);
  writeFileSync(path, text);
  return path;
}

const { x, y } = JSON.parse(readFileSync(join(fixtures, 'expected.json'), 'utf8')) as {
  x: number[][];
  y: number[][];
};

describe.each(['custom.h5', 'custom.keras'])("a layer that is not Keras's own, in %s", (file) => {
  const source = join(fixtures, file);

  it('is refused by name, with the way out', async () => {
    expect((await inspect(source)).unsupported).toEqual([expect.stringMatching(/'ramp'.*Ramp/)]);
    await expect(convert(source)).rejects.toThrow(/'ramp' \(.*Ramp\).*--custom .*docs\/conversion\.md/);
  });

  it("answers as Keras did with the page's example", async () => {
    const custom = plugIn(example);
    expect((await inspect(source, custom)).unsupported).toEqual([]);
    const { files: made } = await convert(source, { custom });
    const session = await InferenceSession.create(made.get('model.onnx') as Uint8Array);
    const answer = await session.run({ x: new Tensor('float32', Float32Array.from(x.flat()), [3, 3]) });
    const values = answer[session.outputNames[0] as string]?.data as Float32Array;
    for (const [i, value] of y.flat().entries()) expect(values[i]).toBeCloseTo(value, 5);
  });

  it('is held to its own reference: a mistake in either is found, and where', async () => {
    const custom = plugIn(example.replace('value * slope', '1.01 * value * slope'));
    await expect(convert(source, { custom })).rejects.toThrow(/Parity.*first layer that differs is 'ramp'/);
  });
});

it.each([
  ['export default { Ramp: { convert() {} } };', "'Ramp' needs both functions"],
  ['export const layers = {};', 'no default export'],
  ['export default {', 'Unexpected'],
  [
    'export default { Ramp: { convert: () => missing.value, reference() {} } };',
    "convert of 'Ramp': missing is not",
  ],
  ['export default { Ramp: { convert() {}, reference() {} } };', "convert of 'Ramp': it returns no tensor"],
  [example.replace('slope.shape, slope.data', 'slope.shape, [1]'), 'typed array of 4 values'],
])('says what is wrong with a plug-in', async (text, what) => {
  const custom = plugIn(text);
  const refused = await convert(join(fixtures, 'custom.h5'), { custom }).catch((error: Error) => error);
  expect(refused).toMatchObject({ code: 'CONVERSION_BAD_CUSTOM', message: expect.stringContaining(what) });
});
