import { afterAll, expect, it } from '@jest/globals';
import { convert } from '../../conversion/index.ts';
import { expectRight } from './expect-right.ts';
import { faultsOf, openRecorded } from './recorded.ts';

const recorded = openRecorded('traps.zip');
afterAll(() => recorded.close());
const names = Object.keys(recorded.expected);

const right = expectRight(recorded);

it.each(names.filter((name) => name.includes('masks') && !name.includes('refused')))(
  'a mask goes through a raw operation where Keras hands on the very tensor, and through no other: %s',
  right,
);

it.each(names.filter((name) => name.includes('masks-refused')))(
  'an operation that hands a mask on only sometimes is refused by the layer’s name: %s',
  async (name) => {
    for (const file of recorded.expected[name]!.files) {
      await expect(convert(recorded.path(file))).rejects.toMatchObject({
        code: 'CONVERSION_UNSUPPORTED_LAYER',
        message: expect.stringContaining('of what is masked'),
      });
    }
  },
);

it('of two directions of which one is frozen each has its own variables', () =>
  right('keras3-frozen-direction'));

it.each(names.filter((name) => name.includes('frozen-before')))(
  'a variable is its own layer’s, however a layer inside was frozen: %s',
  right,
);

it.each([
  ['keras3-frozen-tie', "Layer 'cells' (RNN)"],
  ['keras2-frozen-direction', "Layer 'both' (Bidirectional)"],
])(
  'where nothing tells which variables are whose, .h5 is refused and .keras is right: %s',
  async (name, layer) => {
    const model = recorded.expected[name]!;
    const [hdf5, archive] = model.files.map((file) => recorded.path(file)) as [string, string];
    await expect(convert(hdf5)).rejects.toMatchObject({
      code: 'CONVERSION_UNSUPPORTED',
      message: expect.stringContaining(`${layer} has frozen layers inside`),
    });
    expect(await faultsOf(archive, model)).toEqual([]);
  },
);

it.each(names.filter((name) => name.includes('whole')))(
  'whole numbers are computed with as such, however large: %s',
  right,
);

it.each(names.filter((name) => name.includes('of-floats') || name.includes('of-long')))(
  'a number that is written as a float makes floats of whole numbers, and an array has its own type: %s',
  right,
);

it('what whole numbers become is of the type that Keras says', async () => {
  for (const file of recorded.expected['keras3-whole-types-keras3']!.files) {
    const { outputs } = (await convert(recorded.path(file))).manifest.signatures['serving_default']!;
    expect(outputs.map(({ dtype }) => dtype)).toEqual([
      'int32',
      'int8',
      'int32',
      'int32',
      'int8',
      'int8',
      'int8',
      'float32',
      'int64',
    ]);
  }
});

it.each(names.filter((name) => name.includes('unsigned-long')))(
  'whole numbers of 64 bits without a sign are refused by name where they are computed with: %s',
  async (name) => {
    for (const file of recorded.expected[name]!.files) {
      await expect(convert(recorded.path(file))).rejects.toMatchObject({
        code: 'CONVERSION_UNSUPPORTED_LAYER',
        message: expect.stringContaining('it computes with uint64; cast to int64 before'),
      });
    }
  },
);

it.each(names.filter((name) => name.includes('numbers-joined')))(
  'numbers that are joined to tensors are not left out in silence: %s',
  async (name) => {
    for (const file of recorded.expected[name]!.files) {
      await expect(convert(recorded.path(file))).rejects.toMatchObject({
        code: 'CONVERSION_UNSUPPORTED_LAYER',
        message: expect.stringMatching(/numbers among the tensors|the argument 0/),
      });
    }
  },
);

it('whole numbers that may be divided by 0 are no fault of the conversion', async () => {
  for (const file of recorded.expected['keras3-perhaps-by-0-keras3']!.files) {
    await expect(convert(recorded.path(file))).rejects.toMatchObject({
      code: 'CONVERSION_UNSUPPORTED',
      message: expect.stringContaining('divided by 0'),
    });
  }
});

it.each(names.filter((name) => name.includes('no-axes')))('over no axes every number is its own: %s', right);

it.each(names.filter((name) => name.includes('infinite')))(
  'numbers that JSON does not have are read as Python writes them: %s',
  right,
);

it.each(names.filter((name) => name.includes('renorm')))(
  'variables of training alone are no damage: %s',
  right,
);

it('a layer without a variable that its options leave out is refused by its name, not called damaged', async () => {
  for (const file of recorded.expected['keras3-rms-scaling']!.files) {
    await expect(convert(recorded.path(file))).rejects.toMatchObject({
      code: 'CONVERSION_UNSUPPORTED_LAYER',
      message: expect.stringContaining("Layer 'norm' (LayerNormalization): rms_scaling"),
    });
  }
});

const isOverridden = (name: string) => name.startsWith('keras3-unread-training');

it.each(names.filter(isOverridden))(
  'a model of Keras 3 predicts without training, whatever a layer of it is told: %s',
  right,
);

it.each(names.filter((name) => name.includes('unread') && !isOverridden(name)))(
  'an argument that changes the answer and that nobody reads is refused: %s',
  async (name) => {
    const [argument] = name.replace(/^keras\d-unread-/, '').split('-') as [string];
    for (const file of recorded.expected[name]!.files) {
      await expect(convert(recorded.path(file))).rejects.toMatchObject({
        code: 'CONVERSION_UNSUPPORTED_LAYER',
        message: expect.stringContaining(argument),
      });
    }
  },
);

it.each(names.filter((name) => /^keras\d-(remainders|near-nothing|float-images)/.test(name)))(
  'a remainder has the sign of its divisor however far off, what is near 0 stays, and pictures become floats: %s',
  right,
);

it.each(names.filter((name) => name.includes('rounds')))(
  'a layer of which Keras makes whole numbers again is refused where it is given such: %s',
  async (name) => {
    for (const file of recorded.expected[name]!.files) {
      await expect(convert(recorded.path(file))).rejects.toMatchObject({
        code: 'CONVERSION_UNSUPPORTED_LAYER',
        message: expect.stringContaining('of which Keras makes whole numbers'),
      });
    }
  },
);

it.each(names.filter((name) => name.includes('several') && !name.includes('refused')))(
  'a Sequential hands on all that a layer gives, and so does the gate’s reference: %s',
  right,
);

it.each(names.filter((name) => /several.*refused/.test(name)))(
  'what is given several tensors where one is taken is refused by its name: %s',
  async (name) => {
    for (const file of recorded.expected[name]!.files) {
      await expect(convert(recorded.path(file))).rejects.toMatchObject({
        code: 'CONVERSION_UNSUPPORTED_LAYER',
        message: expect.stringMatching(/^Layer '.*(several inputs|gives 2)/),
      });
    }
  },
);

it.each(names.filter((name) => name.includes('attended')))(
  'a query that may hear nothing hears all keys alike, as float32 has it: %s',
  right,
);

it.each(names.filter((name) => name.includes('pool-leaves')))(
  'a pool whose windows leave something between them: %s',
  right,
);

it('LoRA in .h5 is called by its name with the way out, and in .keras is right', async () => {
  const model = recorded.expected['keras3-lora']!;
  const [hdf5, archive] = model.files.map((file) => recorded.path(file)) as [string, string];
  await expect(convert(hdf5)).rejects.toMatchObject({
    code: 'CONVERSION_UNSUPPORTED',
    message: expect.stringContaining("Layer 'adapted' (Dense) has LoRA weights"),
  });
  expect(await faultsOf(archive, model)).toEqual([]);
});

it('what ONNX Runtime does not take of a graph that was made here is not called damaged, and the layer is named', async () => {
  const [file] = recorded.expected['keras3-refused-by-runtime']!.files as [string];
  await expect(convert(recorded.path(file))).rejects.toMatchObject({
    code: 'CONVERSION_RUNTIME_REFUSED',
    message: expect.stringContaining("Layer 'take': ONNX Runtime cannot run"),
  });
});
