import { expect, it } from '@jest/globals';
import { type Manifest, Preprocessing } from '../../conversion/manifest/index.ts';
import type { Shadow } from '../../serving/canary/calls.ts';
import { Traffic } from '../../serving/canary/traffic.ts';
import { ServedModel } from '../../serving/contract/index.ts';
import { DataPlane, type DataPlaneParts } from '../../serving/dataplane.ts';
import type { Servable } from '../../serving/engine/servable.ts';
import type { TensorValue } from '../../serving/engine/tensor.ts';
import { Processor } from '../../serving/processing/processor.ts';
import { until } from '../support/load.ts';
import { scaledSum } from './support/models.ts';

const { signature } = scaledSum(1);

/** A version that gives back what it gets, of columns from which `mean` is taken. */
function servable(version: number, mean: number): Servable {
  const features = ['a', 'b'].map((name) => ({ name, kind: 'number', mean }));
  const manifest = { preprocessing: Preprocessing.parse({ x: { features } }) } as unknown as Manifest;
  return {
    model: 'm',
    version,
    signature,
    manifest,
    batchable: true,
    processor: Processor.of(manifest, signature),
    runner: { run: async (inputs: readonly TensorValue[]) => inputs },
  } as unknown as Servable;
}

/** A data plane with a canary beside `stable`, and what it hands on to be compared. */
function withCanary(stable: Servable, canary: Servable): { plane: DataPlane; shadows: Shadow[] } {
  const shadows: Shadow[] = [];
  const versionLabels = { stable: 1, canary: 2 };
  const traffic = new Traffic(ServedModel.parse({ name: 'm', versionLabels, canary: { shadow: 1 } }));
  const versions = new Map([
    [1, stable],
    [2, canary],
  ]);
  const plane = new DataPlane({
    models: [{ name: 'm', versions, latest: canary, labels: versionLabels, traffic }],
    settings: { requestTimeoutMs: 1_000 },
    sink: { record: () => {} },
    shadow: async (shadow: Shadow) => void shadows.push(shadow),
  } as unknown as DataPlaneParts);
  return { plane, shadows };
}

const columns = ['a', 'b'].map(
  (name, index): TensorValue => ({ name, dtype: 'float32', shape: [1], data: Float32Array.of(10 * index) }),
);
const numbersOf = (tensors: readonly TensorValue[] | undefined) =>
  tensors?.map(({ data }) => [...(data as Float32Array)]);

it('an answer is given before it is handed on to be compared', async () => {
  const stable = servable(1, 1);
  const { plane, shadows } = withCanary(stable, { ...servable(2, 1), processor: stable.processor });
  const { outputs } = await plane.infer(plane.find({ model: 'm' }), columns);
  expect(numbersOf(outputs)).toEqual([[-1, 9]]);
  expect(shadows).toEqual([]);
  await until(() => shadows.length > 0, 'it is handed on');
  expect(shadows[0]).toMatchObject({ inputs: outputs, outputs, rows: 1 });
});

it('a canary is compared by what it would have been given itself', async () => {
  const { plane, shadows } = withCanary(servable(1, 1), servable(2, 2));
  await plane.infer(plane.find({ model: 'm' }), columns);
  await until(() => shadows.length > 0, 'it is handed on');
  expect(numbersOf(shadows[0]?.inputs)).toEqual([[-2, 8]]);
  expect(numbersOf(shadows[0]?.outputs)).toEqual([[-1, 9]]);
});
