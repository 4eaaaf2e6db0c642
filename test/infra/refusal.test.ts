import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { convert } from '../../conversion/index.ts';
import { conversionOptions } from '../../infra/provider/conversion-options.ts';
import { refusalOf } from '../../infra/provider/refusal.ts';

let folder: string;
/** As a stack's settings name files: beside the project. */
const absolute = (path: string) => (path.startsWith('test/') ? path : join(folder, path));

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'modelmile-refusal-'));
  await writeFile(join(folder, 'no-rows.npz'), 'PK');
});
afterAll(() => rm(folder, { recursive: true }));

const source = 'test/conversion/fixtures/keras3-functional.h5';

it.each([
  ['labels', { source, labels: 'missing.npz' }, 'there is no such file'],
  ['labels', { source, labels: 'no-rows.npz' }, 'no-rows.npz'],
  ['calibration', { source, method: 'static-int8', calibration: 'missing.npz' }, 'there is no such file'],
  ['calibration', { source, method: 'static-int8', calibration: 'no-rows.npz' }, 'no-rows.npz'],
  ['method', { source, method: 'smaller' }, 'smaller'],
  ['source', { source: 'missing.keras' }, 'there is no such file'],
])('shows what is wrong with %s beside it: %j', async (property, inputs, reason) => {
  const converted = convert(absolute(inputs.source), conversionOptions(inputs, absolute));
  const error = await converted.then(
    () => undefined,
    (refused: Error) => refused,
  );
  expect(error).toBeInstanceOf(Error);
  const shown = refusalOf(error, inputs, absolute);
  expect(shown.property).toBe(property);
  expect(shown.reason).toContain(reason);
});
