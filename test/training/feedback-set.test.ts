import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { convert, type LabelledSet, readLabelledSet } from '../../conversion/index.ts';
import type { Manifest } from '../../conversion/manifest/index.ts';
import type { FeedbackRecord } from '../../serving/contract/index.ts';
import { readFeedbackFile } from '../../training/feedback-file.ts';
import { feedbackSet } from '../../training/feedback-set.ts';
import { encodeNpz } from '../../training/npz.ts';
import { feedbackRecord, gridLines, rightKernel, stream, writeToy } from './toy-model.ts';

let folder: string;
let manifest: Manifest;
let heldout: LabelledSet;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'modelmile-training-'));
  manifest = (await convert(await writeToy(join(folder, 'toy'), rightKernel))).manifest;
  await writeFile(join(folder, 'heldout.jsonl'), gridLines());
  heldout = await readLabelledSet(join(folder, 'heldout.jsonl'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const setOf = (records: readonly unknown[], changes: Partial<Manifest> = {}) =>
  feedbackSet(stream(records), { model: 'toy', manifest: { ...manifest, ...changes }, heldout });

const input = (...data: (number | string | boolean)[]) => [
  { name: 'pair', dtype: 'float32', shape: [1, data.length], data },
];
/** A record that says `truth` and nothing else. */
const said = (index: number, truth: Partial<FeedbackRecord>) => feedbackRecord(index, truth);

describe('feedback becomes a training set', () => {
  it('takes labels by index and by name, corrections, and full marks', async () => {
    const set = await setOf(
      [
        said(1, { label: 0 }),
        said(2, { label: 'second' }),
        said(3, { correction: [0.9, 0.1] }),
        said(4, { rating: 1 }),
      ],
      { labels: ['first', 'second'] },
    );
    expect([...set.y]).toEqual([0, 1, 0, 1]);
    expect([...set.x]).toEqual([1, 0.25, 2, 0.25, 3, 0.25, 4, 0.25]);
    expect(set).toMatchObject({ records: 4, skipped: {} });
  });

  it('takes full marks on an answer in words by its best word, and tells no class by scores without their words', async () => {
    const words = (...data: string[]) => ({
      name: 'classes',
      dtype: 'string',
      shape: [1, data.length],
      data,
    });
    const scores = { name: 'scores', dtype: 'float32', shape: [1, 2], data: [0.9, 0.1] };
    const tensor = manifest.signatures['serving_default']!.outputs[0]!.name;
    const answered = (index: number, ...outputs: FeedbackRecord['outputs']) =>
      said(index, { rating: 1, outputs });
    const set = await setOf(
      [
        answered(1, words('second', 'first'), scores),
        answered(2, scores, words('first', 'second')),
        answered(3, scores),
        answered(4, words('third')),
        answered(5, { ...scores, name: tensor, data: ['NaN', 0.1] }),
        answered(6, { ...scores, name: 'earlier', data: [0.2, 0.8] }),
      ],
      { labels: ['first', 'second'], postprocessing: { tensor, top: 2 } },
    );
    expect([...set.y]).toEqual([1, 0, 1]);
    expect(set.skipped).toEqual({ 'does not tell the true class': 3 });
  });

  it('takes the last of several records to one row, and each row of a request for itself', async () => {
    const first = said(1, { label: 0 });
    const set = await setOf([
      first,
      { ...first, feedbackId: said(9, {}).feedbackId, label: 1 },
      { ...first, row: 1, label: 0 },
    ]);
    expect([...set.y]).toEqual([1, 0]);
  });

  it.each<[string, unknown]>([
    ['about another model', said(1, { model: 'other', label: 0 })],
    ['inputs are not recorded (recordInputs is off)', { ...said(1, { label: 0 }), inputs: undefined }],
    ['another shape than the model takes', said(1, { label: 0, inputs: input(1, 2, 3) })],
    ['another shape than the model takes', said(1, { label: 0, inputs: [...input(1, 2), ...input(1, 2)] })],
    ['a value that is not a finite number', said(1, { label: 0, inputs: input(1, 'NaN') })],
    ['a value that is not a finite number', said(1, { label: 0, inputs: input(1, 1e39) })],
    ['does not tell the true class', said(1, { label: 'nobody' })],
    ['does not tell the true class', said(1, { rating: 0.5 })],
    ['does not tell the true class', said(1, { correction: [1, 0, 0] })],
    ['a class that the model does not have', said(1, { label: 2 })],
    ['a row of the held-out set', said(1, { label: 1, inputs: input(Math.fround(0.9), Math.fround(0.3)) })],
    ['not a feedback record', { ...said(1, { label: 0 }), surprise: true }],
    ['not a feedback record', undefined],
  ])('leaves out and counts what is %s', async (reason, record) => {
    const set = await setOf([record, said(2, { label: 0 })]);
    expect(set).toMatchObject({ records: 2, skipped: { [reason]: 1 } });
    expect(set.y).toHaveLength(1);
  });

  it('understands a single probability as one of two classes', async () => {
    const spec = manifest.signatures['serving_default']!;
    const signatures = {
      serving_default: { ...spec, outputs: [{ name: 'risk', dtype: 'float32' as const, shape: [-1, 1] }] },
    };
    const outputs = [{ name: 'risk', dtype: 'float32', shape: [1, 1], data: [0.7] }];
    const set = await setOf(
      [said(1, { label: 1 }), said(2, { rating: 1, outputs }), said(3, { correction: [0.4] })],
      { signatures },
    );
    expect([...set.y]).toEqual([1, 1, 0]);
  });

  it('holds for any feedback: what is kept fits the model, and what is not is counted', async () => {
    const value = fc.oneof(fc.double(), fc.constant('NaN'), fc.boolean());
    const truth = fc.oneof(
      fc.record({ label: fc.oneof(fc.nat({ max: 3 }), fc.string()) }),
      fc.record({ rating: fc.double({ min: 0, max: 1, noNaN: true }) }),
      fc.record({ correction: fc.array(fc.double(), { maxLength: 3 }) }),
    );
    const record = fc
      .tuple(truth, fc.array(value, { maxLength: 3 }), fc.constantFrom('toy', 'other'))
      .map(([truths, data, model]) => ({ ...truths, model, inputs: input(...data) }));
    await fc.assert(
      fc.asyncProperty(fc.array(fc.oneof(record, fc.anything()), { maxLength: 30 }), async (items) => {
        const records = items.map((item, index) =>
          item !== null && typeof item === 'object' && 'model' in item
            ? feedbackRecord(index + 1, item as Partial<FeedbackRecord>)
            : item,
        );
        const set = await setOf(records);
        const skipped = Object.values(set.skipped).reduce((sum, count) => sum + count, 0);
        expect(set.y.length + skipped).toBe(records.length);
        expect(set.x).toHaveLength(2 * set.y.length);
        expect(set.x.every(Number.isFinite)).toBe(true);
        expect(set.y.every((label) => label === 0 || label === 1)).toBe(true);
      }),
      { seed: 20, numRuns: 200 },
    );
  });

  it('writes an .npz that the reader of labelled sets reads back', async () => {
    const { x, y } = await setOf([said(1, { label: 1 }), said(2, { label: 0 })]);
    const path = join(folder, 'set.npz');
    await writeFile(path, encodeNpz(x, y));
    const read = await readLabelledSet(path);
    expect({ ...read, inputs: [...read.inputs] }).toMatchObject({
      rows: 2,
      rowSize: 2,
      inputs: [1, 0.25, 2, 0.25],
      labels: [1, 0],
    });
  });
});

describe('a file of feedback', () => {
  it('is read line by line; a line that is not JSON is counted and no more', async () => {
    const path = join(folder, 'feedback.jsonl');
    await writeFile(path, `${JSON.stringify(said(1, { label: 0 }))}\n\n{"cut": \n`);
    const set = await feedbackSet(readFeedbackFile(path), { model: 'toy', manifest, heldout });
    expect(set).toMatchObject({ records: 2, skipped: { 'not a feedback record': 1 } });
  });

  it('that is not there is refused with what to do', async () => {
    await expect(readFeedbackFile(join(folder, 'absent')).next()).rejects.toMatchObject({
      code: 'TRAINING_NO_FEEDBACK_FILE',
      message: expect.stringContaining('modelmile feedback export'),
    });
  });
});
