import { existsSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { type Conversion, type ConvertOptions, convert, KeptVersions } from '../../conversion/index.ts';
import { readRecipe, retrain } from '../../training/index.ts';
import { until } from '../support/load.ts';
import { feedbackRecord, gridLines, halfRightKernel, rightKernel, stream, writeToy } from './toy-model.ts';

const toyModule = new URL('./toy-model.ts', import.meta.url).href;
const tsx = import.meta.resolve('tsx');

let folder: string;
let kept: KeptVersions;
let champion: Conversion;
const sourceSha256 = 'a'.repeat(64);

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'modelmile-retrain-'));
  kept = new KeptVersions(join(folder, 'kept'));
  champion = await convert(await writeToy(folder, halfRightKernel));
  await writeFile(join(folder, 'set.jsonl'), gridLines());
});
afterEach(() => rm(folder, { recursive: true, force: true }));

/** Retrains with a trainer whose body this is; it has `job` and may write with `writeToy`. */
async function run(
  trainer: string,
  options: { signal?: AbortSignal; command?: string[]; conversion?: ConvertOptions } = {},
) {
  await writeFile(
    join(folder, 'trainer.mts'),
    `import { readFileSync, writeFileSync, existsSync } from 'node:fs';
     import { dirname } from 'node:path';
     import { writeToy } from '${toyModule}';
     const job = JSON.parse(readFileSync(process.argv[process.argv.indexOf('--job') + 1], 'utf8'));
     ${trainer}`,
  );
  const recipe = {
    trainers: {
      it: {
        command: options.command ?? ['node', '--import', tsx, 'trainer.mts'],
        output: 'model.json',
        epochs: 3,
      },
    },
    base: 'set.jsonl',
    heldout: 'set.jsonl',
    seed: 7,
  };
  await writeFile(join(folder, 'training.json'), JSON.stringify(recipe));
  const progress: string[] = [];
  const result = await retrain({
    model: 'toy',
    recipe: await readRecipe(join(folder, 'model.json')),
    feedback: stream([feedbackRecord(1, { label: 0 }), 'garbage']),
    champion,
    sourceSha256,
    kept,
    workDir: join(folder, 'work'),
    conversion: options.conversion ?? {},
    onProgress: (text) => progress.push(text),
    signal: options.signal ?? new AbortController().signal,
  });
  return { ...result, progress };
}

const writes = (kernel: readonly number[]) => `await writeToy(dirname(job.output), [${kernel}]);`;

/** Nothing has changed, and no job is left. */
async function expectUntouched(): Promise<void> {
  expect(await kept.champion('toy')).toBeUndefined();
  expect(await readdir(join(folder, 'work'))).toEqual([]);
}

describe('retrain', () => {
  it('promotes a better challenger: kept, crowned instead of the source, and compared class by class', async () => {
    const source = await readFile(join(folder, 'weights.bin'));
    const result = await run(writes(rightKernel));
    expect(result.promoted).toBe(true);
    expect(result.challenger).toMatchObject({ accuracy: 1, byClass: { 0: 1, 1: 1 } });
    expect(result.champion.byClass[0]).toBe(1);
    expect(result.champion.byClass[1]).toBeLessThan(1);
    expect(result.feedback).toEqual({ records: 2, rows: 1, skipped: { 'not a feedback record': 1 } });
    expect(await kept.champion('toy')).toMatchObject({
      digest: result.challenger.digest,
      insteadOf: sourceSha256,
      reason: 'retrain',
    });
    const digests = (await kept.list('toy')).map(({ digest }) => digest);
    expect(digests.sort()).toEqual([result.challenger.digest, champion.digest].sort());
    expect(await readdir(join(folder, 'work'))).toEqual([]);
    expect(await readFile(join(folder, 'weights.bin'))).toEqual(source);
  });

  it('converts the challenger as the champion was converted', async () => {
    const conversion = { method: 'float16', prune: 'dead' };
    champion = await convert(join(folder, 'model.json'), {
      ...conversion,
      labels: join(folder, 'set.jsonl'),
    });
    const { challenger } = await run(writes(rightKernel), { conversion });
    const { manifest } = await kept.read('toy', challenger.digest);
    expect(manifest.recipe).toEqual(champion.manifest.recipe);
  });

  it('promotes an equal challenger, but not the very same model', async () => {
    const same = await run(writes(halfRightKernel));
    expect(same).toMatchObject({ promoted: false, challenger: { accuracy: same.champion.accuracy } });
    expect(await kept.champion('toy')).toBeUndefined();
    const equal = await run(writes(halfRightKernel.map((weight) => 2 * weight)));
    expect(equal.challenger.accuracy).toBe(equal.champion.accuracy);
    expect(equal.promoted).toBe(true);
  });

  it('keeps the champion where the challenger is worse by a single row', async () => {
    champion = await convert(await writeToy(folder, rightKernel));
    // The boundary passes on the other side of the one row (0.9, 0.8).
    const result = await run(writes([1, 0, 0, 1.13]));
    expect(Math.round(72 * (result.champion.accuracy - result.challenger.accuracy))).toBe(1);
    expect(result.promoted).toBe(false);
    await expectUntouched();
  });

  it('asks the trainer by the contract: absolute paths, the set as .npz, the champion to start from', async () => {
    const log = join(folder, 'asked.json');
    await run(
      `writeFileSync(${JSON.stringify(log)}, JSON.stringify({ ...job, cwd: process.cwd(), weights: existsSync(job.champion + '/model.onnx') }));
       ${writes(rightKernel)}
       console.log('epoch 1 of 3');`,
    ).then(({ progress }) => expect(progress).toContain('epoch 1 of 3'));
    const asked = JSON.parse(await readFile(log, 'utf8'));
    expect(asked).toMatchObject({
      model: 'toy',
      base: join(folder, 'set.jsonl'),
      champion: kept.folder('toy', champion.digest),
      weights: true,
      epochs: 3,
      seed: 7,
    });
    expect(asked.feedback).toMatch(/^\/.*feedback\.npz$/);
    expect(asked.cwd).toBe(folder);
  });

  it.each([
    ['fails', `console.error('no space left'); process.exit(3);`, 'no space left'],
    ['ends well and writes nothing', '', 'wrote no model.json'],
  ])('refuses a trainer that %s, and changes nothing', async (_what, trainer, message) => {
    await expect(run(trainer)).rejects.toMatchObject({
      code: 'TRAINING_TRAINER_FAILED',
      message: expect.stringContaining(message),
    });
    await expectUntouched();
  });

  it('refuses a trainer that is not installed', async () => {
    await expect(run('', { command: ['no-such-program'] })).rejects.toMatchObject({
      code: 'TRAINING_TRAINER_FAILED',
      message: expect.stringContaining('no-such-program'),
    });
    await expectUntouched();
  });

  it('refuses a challenger that is damaged, or that clients could not ask as before', async () => {
    await expect(run(`writeFileSync(job.output, '{"format":');`)).rejects.toMatchObject({
      code: expect.stringMatching(/^CONVERSION_/),
    });
    await expect(run(`await writeToy(dirname(job.output), [1, 0, 0, 0, 1, 0], 3);`)).rejects.toMatchObject({
      code: 'TRAINING_OTHER_SIGNATURE',
    });
    await expectUntouched();
  });

  it('ends its trainer when it is interrupted', async () => {
    const interrupt = new AbortController();
    const pidFile = join(folder, 'pid');
    const running = run(
      `writeFileSync(${JSON.stringify(pidFile)}, String(process.pid)); setInterval(() => {}, 1000);`,
      { signal: interrupt.signal },
    );
    const ended = expect(running).rejects.toMatchObject({ code: 'TRAINING_TRAINER_FAILED' });
    await until(() => existsSync(pidFile), 'the trainer runs');
    const pid = Number(await readFile(pidFile, 'utf8'));
    interrupt.abort();
    await ended;
    await until(() => {
      try {
        return !process.kill(pid, 0);
      } catch {
        return true;
      }
    }, 'the trainer is gone');
    await expectUntouched();
  });
});

describe('training.json', () => {
  const write = (content: unknown) =>
    writeFile(join(folder, 'training.json'), typeof content === 'string' ? content : JSON.stringify(content));
  const good = {
    trainers: { a: { command: ['x'], output: 'm' }, b: { command: ['y'], output: 'n' } },
    base: 'b',
    heldout: 'h',
  };

  it('names the default trainer first, and others on demand', async () => {
    await write(good);
    expect((await readRecipe(join(folder, 'model.json'))).trainer).toMatchObject({
      name: 'a',
      command: ['x'],
    });
    expect((await readRecipe(join(folder, 'model.json'), 'b')).trainer).toMatchObject({ name: 'b' });
  });

  it.each([
    ['that is not there', undefined, 'TRAINING_NO_RECIPE', 'training.json'],
    ['that is not JSON', '{', 'TRAINING_BAD_RECIPE', 'JSON'],
    ['without a base', { ...good, base: undefined }, 'TRAINING_BAD_RECIPE', 'base'],
    ['without a trainer', { ...good, trainers: {} }, 'TRAINING_BAD_RECIPE', 'at least one'],
    ['with a word that it does not know', { ...good, seeds: 5 }, 'TRAINING_BAD_RECIPE', 'seeds'],
  ])('%s is refused with its name and the fault', async (_what, content, code, message) => {
    if (content !== undefined) await write(content);
    await expect(readRecipe(join(folder, 'model.json'))).rejects.toMatchObject({
      code,
      message: expect.stringContaining(message),
    });
  });

  it('has no trainer of an unknown name', async () => {
    await write(good);
    await expect(readRecipe(join(folder, 'model.json'), 'c')).rejects.toMatchObject({
      code: 'TRAINING_BAD_RECIPE',
      message: expect.stringContaining('a, b'),
    });
  });
});
