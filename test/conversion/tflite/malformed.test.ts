import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from '@jest/globals';
import { inspect } from '../../../conversion/index.ts';
import { assemble, kerasToTflite } from '../../../conversion/tflite/index.ts';
import { readModel, writeModel } from './cases.ts';
import { damage } from './mutations.ts';

const work = mkdtempSync(join(tmpdir(), 'modelmile-tflite-malformed-'));
afterAll(() => rmSync(work, { recursive: true, force: true }));

describe('.tflite files that nobody has vouched for', () => {
  it.each(['keras3-small_resnet', 'keras2-functional'])(
    'a hundred damaged copies of %s are read or refused by a typed error, quickly',
    async (name) => {
      const bytes = assemble(kerasToTflite(await readModel(writeModel(name, work))).program);
      const { faults, refused, slowestMs } = damage(bytes, 100, 11);
      expect(faults).toEqual([]);
      expect(refused).toBeGreaterThan(20);
      expect(slowestMs).toBeLessThan(10_000);
    },
  );

  it('inspect lists the operators, their results and parameters', async () => {
    const path = join(work, 'model.tflite');
    writeFileSync(
      path,
      assemble(kerasToTflite(await readModel(writeModel('keras3-sequential', work))).program),
    );
    const found = await inspect(path);
    expect(found).toMatchObject({ format: 'tflite', dialect: 'modelmile', unsupported: [] });
    expect(found.layers[1]).toEqual({
      name: 'a/relu',
      kind: 'FULLY_CONNECTED',
      parameters: 12 * 7 + 7,
      supported: true,
    });
  });

  it.each([
    ['nothing', new Uint8Array(0)],
    ['another format', new TextEncoder().encode('not a flatbuffer at all')],
    [
      'a name and no more',
      Uint8Array.from([16, 0, 0, 0, 84, 70, 76, 51, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
    ],
  ])('%s is told as damage', async (_what, bytes) => {
    const path = join(work, 'bad.tflite');
    writeFileSync(path, bytes);
    await expect(inspect(path)).rejects.toMatchObject({ code: 'CONVERSION_SOURCE_CORRUPT' });
  });
});
