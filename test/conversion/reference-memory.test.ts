import { afterAll, describe, expect, it } from '@jest/globals';
import type { KerasModel, LayerConfig } from '../../conversion/keras/model.ts';
import { identify, readSource } from '../../conversion/readers/index.ts';
import { referenceOutputs, runReference } from '../../conversion/verify/interpreter/index.ts';
import { laidOut, type Product } from '../../conversion/verify/interpreter/products.ts';
import { product } from '../../conversion/verify/interpreter/tensor.ts';
import { openRecorded } from './recorded.ts';

const plainly = async ({ a, b }: Product) => product(laidOut(a), laidOut(b));

describe.each(['layers.zip', 'random.zip'])(
  'the reference gives the same numbers where it writes over what nobody takes any more as where it keeps all: %s',
  (archive) => {
    const recorded = openRecorded(archive);
    afterAll(() => recorded.close());

    it.each(Object.keys(recorded.expected))('%s', async (name) => {
      const { files, inputs } = recorded.expected[name]!;
      const given = () => inputs.map(({ shape, data }) => ({ shape, data: Float64Array.from(data) }));
      for (const file of files) {
        const { model } = await readSource(await identify(recorded.path(file)));
        if (model.kind !== 'keras') throw new Error(`${file} is no Keras model`);
        const taken = given();
        const outputs = await referenceOutputs(plainly, model, taken);
        expect(outputs).toEqual(runReference(model, given()).outputs);
        expect(taken).toEqual(given());
      }
    });
  },
);

/** A layer of a Functional model of Keras 2, on what other layers give. */
const layer = (class_name: string, name: string, from: readonly string[], config = {}): LayerConfig => ({
  class_name,
  name,
  config: { name, trainable: true, dtype: 'float32', ...config },
  inbound_nodes: from.length === 0 ? [] : [from.map((other) => [other, 0, 0, {}])],
});

const functional = (layers: readonly LayerConfig[], input: string, output: string) => ({
  layers,
  input_layers: [[input, 0, 0]],
  output_layers: [[output, 0, 0]],
});

const modelOf = (config: Readonly<Record<string, unknown>>): KerasModel => ({
  kind: 'keras',
  dialect: 'keras-2',
  config: { class_name: 'Functional', config },
  weights: new Map(),
});

const relu = { max_value: null, negative_slope: 0, threshold: 0 };

it.each<[string, KerasModel]>([
  [
    'where another layer gives the value on, and it has another taker',
    modelOf(
      functional(
        [
          layer('InputLayer', 'x', []),
          layer('Add', 'twice', ['x', 'x']),
          layer('Dropout', 'same', ['twice'], { rate: 0.5 }),
          layer('ReLU', 'positive', ['same'], relu),
          layer('Add', 'sum', ['positive', 'twice']),
        ],
        'x',
        'sum',
      ),
    ),
  ],
  [
    'where a model inside takes the value, and it has another taker',
    modelOf(
      functional(
        [
          layer('InputLayer', 'x', []),
          layer('Add', 'twice', ['x', 'x']),
          {
            ...layer('Functional', 'inside', ['twice']),
            config: {
              name: 'inside',
              ...functional(
                [layer('InputLayer', 'y', []), layer('ReLU', 'positive', ['y'], relu)],
                'y',
                'positive',
              ),
            },
          },
          layer('Add', 'sum', ['inside', 'twice']),
        ],
        'x',
        'sum',
      ),
    ),
  ],
])('a value is not written over %s', async (_where, model) => {
  const x = { shape: [1, 2], data: Float64Array.of(-1, 2) };
  const [sum] = await referenceOutputs(plainly, model, [x]);
  expect([...sum!.data]).toEqual([-2, 8]);
});
