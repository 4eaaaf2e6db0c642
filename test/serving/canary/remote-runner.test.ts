import { expect, it } from '@jest/globals';
import type { CanaryRequest, Shadow } from '../../../serving/canary/calls.ts';
import { RemoteRunner } from '../../../serving/canary/remote-runner.ts';
import { Traffic } from '../../../serving/canary/traffic.ts';
import { ServedModel } from '../../../serving/contract/index.ts';
import type { Runner } from '../../../serving/engine/runner.ts';
import { ServingError } from '../../../serving/errors.ts';

const answer = [{ name: 'y', dtype: 'float32' as const, shape: [1], data: Float32Array.of(1) }];
const failed = async () => {
  throw new ServingError('SERVING_INFERENCE_FAILED', 'it failed');
};
const answers: Runner = { run: async () => answer };
const fails: Runner = { run: failed };

/** A canary that fails, beside such a stable: what was asked of it, and what was compared. */
function canaryBeside(stable: Runner) {
  const asked: CanaryRequest[] = [];
  const compared: Shadow[] = [];
  const model = ServedModel.parse({
    name: 'm',
    versionLabels: { stable: 1, canary: 2 },
    canary: { shadow: 0 },
  });
  const runner = new RemoteRunner('m', stable, new Traffic(model), {
    ask: async (request) => {
      asked.push(request);
      return failed();
    },
    shadow: async (shadow) => {
      compared.push(shadow);
    },
  });
  const run = (patienceMs: number) =>
    runner.run(answer, 1, performance.now() + patienceMs, undefined).catch(({ code }) => code);
  return { asked, compared, run };
}

it('what a canary could not answer is compared with what stable answers', async () => {
  const { compared, run } = canaryBeside(answers);
  for (let n = 0; n < 10; n++) expect(await run(1_000)).toBe('SERVING_INFERENCE_FAILED');
  expect(compared).toHaveLength(10);
  expect(compared[0]).toMatchObject({ model: 'm', inputs: answer, outputs: answer });
});

it('what stable cannot answer either says nothing of a canary', async () => {
  const { compared, run } = canaryBeside(fails);
  for (let n = 0; n < 10; n++) await run(1_000);
  expect(compared).toEqual([]);
});

it('tells who waits long enough for a canary to be late', async () => {
  const { asked, run } = canaryBeside(answers);
  for (const patienceMs of [1, 50, 1_000]) await run(patienceMs);
  expect(asked.map(({ isPatient }) => isPatient)).toEqual([false, false, true]);
});
