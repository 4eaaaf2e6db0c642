import type { LayerConfig, Weight } from '../../keras/model.ts';
import { activated, type Evaluate, first, flag, isTensor, type LayerInput, number } from './layer-input.ts';
import { cut, filled, map, picked, product, reshaped, type Tensor, tensorOf, zip } from './tensor.ts';

/** One step of a cell: its output and next states. */
interface Cell {
  readonly sizes: readonly number[];
  step(x: Tensor, states: readonly Tensor[]): { y: Tensor; states: Tensor[] };
}

const add = (a: Tensor, b: Tensor) => zip(a, b, (p, q) => p + q);
const times = (a: Tensor, b: Tensor) => zip(a, b, (p, q) => p * q);
const columns = (x: Tensor, units: number, n: number) => cut(x, 1, n * units, (n + 1) * units);

/** The cell of a config; `prefix` leads to its variables. */
function cellOf(config: LayerConfig, input: LayerInput, prefix: string): Cell {
  const own: LayerInput = { ...input, layer: config };
  const units = Number(config.config['units']);
  const read = (name: string): Tensor | undefined => {
    const weight: Weight | undefined = input.weights.find(
      (candidate) => candidate.name === `${prefix}/${name}`,
    );
    return weight === undefined ? undefined : tensorOf(weight);
  };
  const kernel = read('kernel') as Tensor;
  const recurrent = read('recurrent_kernel') as Tensor;
  const bias = flag(own, 'use_bias', true) ? read('bias') : undefined;
  const inner = (x: Tensor) => activated(x, own, 'activation');
  const gate = (x: Tensor) => activated(x, own, 'recurrent_activation');
  const linear = (x: Tensor, h: Tensor) => {
    const total = add(product(x, kernel), product(h, recurrent));
    return bias === undefined ? total : add(total, bias);
  };
  switch (config.class_name) {
    case 'SimpleRNNCell':
      return {
        sizes: [units],
        step(x, [h]) {
          const y = inner(linear(x, h as Tensor));
          return { y, states: [y] };
        },
      };
    case 'LSTMCell':
      return {
        sizes: [units, units],
        step(x, [h, c]) {
          const z = linear(x, h as Tensor);
          const [i, f, o] = [
            gate(columns(z, units, 0)),
            gate(columns(z, units, 1)),
            gate(columns(z, units, 3)),
          ];
          const next = add(times(f, c as Tensor), times(i, inner(columns(z, units, 2))));
          const y = times(o, inner(next));
          return { y, states: [y, next] };
        },
      };
    case 'GRUCell':
      return {
        sizes: [units],
        step(x, [state]) {
          const h = state as Tensor;
          const after = flag(own, 'reset_after', true);
          const [bx, bh] =
            bias === undefined
              ? [undefined, undefined]
              : bias.shape.length === 2
                ? [cut(bias, 0, 0, 1), cut(bias, 0, 1, 2)]
                : [bias, undefined];
          const fromX = bx === undefined ? product(x, kernel) : add(product(x, kernel), bx);
          const part = (n: number) => columns(recurrent, units, n);
          const fromH = (n: number, value: Tensor) => {
            const total = product(value, part(n));
            return bh === undefined ? total : add(total, columns(bh, units, n));
          };
          const z = gate(add(columns(fromX, units, 0), fromH(0, h)));
          const r = gate(add(columns(fromX, units, 1), fromH(1, h)));
          const seen = after ? times(r, fromH(2, h)) : fromH(2, times(r, h));
          const candidate = inner(add(columns(fromX, units, 2), seen));
          const y = add(
            times(z, h),
            times(
              map(z, (v) => 1 - v),
              candidate,
            ),
          );
          return { y, states: [y] };
        },
      };
    case 'StackedRNNCells': {
      const cells = (config.config['cells'] as LayerConfig[]).map((cell, i) =>
        cellOf(cell, input, `${prefix}/cells/${i}`),
      );
      return {
        sizes: cells.flatMap((cell) => cell.sizes),
        step(x, states) {
          const left = [...states];
          const next: Tensor[] = [];
          let y = x;
          for (const cell of cells) {
            const result = cell.step(y, left.splice(0, cell.sizes.length));
            y = result.y;
            next.push(...result.states);
          }
          return { y, states: next };
        },
      };
    }
    default:
      throw new Error(`the reference does not know the cell '${config.class_name}'`);
  }
}

/** Steps that the reference goes through: more take it minutes. */
const mostSteps = 2 ** 17;

/** The input, its states, the mask that counts and the one that the output has: Keras 3 hands a mask on by itself to a single tensor only. */
function argumentsOf({ dialect, inputs, kwargs }: LayerInput) {
  const [x, ...more] = inputs as [Tensor, ...Tensor[]];
  const states = [...more, ...[kwargs['initial_state']].flat().filter(isTensor)];
  const explicit = isTensor(kwargs['mask']) ? kwargs['mask'] : undefined;
  const carried = explicit ?? x.mask;
  return { x, states, mask: dialect === 'keras-3' && states.length > 0 ? explicit : carried, carried };
}

/** Step by step in the order of processing; masked steps leave the states, and give the output before or zeros. */
export const recurrent: Evaluate = (input) => {
  const { layer } = input;
  const { x, states: states0, mask, carried } = argumentsOf(input);
  const isOwn = layer.class_name === 'RNN';
  const config = isOwn
    ? (layer.config['cell'] as LayerConfig)
    : { class_name: `${layer.class_name}Cell`, config: layer.config };
  const cell = cellOf(config, input, 'cell');
  const [batch, steps] = x.shape as [number, number];
  if (steps > mostSteps) throw new Error(`${steps} steps are too many for the reference`);
  let states = states0.length > 0 ? states0 : cell.sizes.map((size) => filled([batch, size], 0));
  const outputs: Tensor[] = [];
  const order = Array.from({ length: steps }, (_, t) =>
    flag(input, 'go_backwards', false) ? steps - 1 - t : t,
  );
  const zeroes = flag(input, 'zero_output_for_mask', false);
  for (const t of order) {
    const now = reshaped(cut(x, 1, t, t + 1), [batch, -1]);
    const result = cell.step(now, states);
    if (mask === undefined) {
      outputs.push(result.y);
      states = result.states;
      continue;
    }
    const counts = reshaped(cut(mask, 1, t, t + 1), [batch, 1]);
    const choose = (a: Tensor, b: Tensor) =>
      add(
        times(a, counts),
        times(
          b,
          map(counts, (v) => 1 - v),
        ),
      );
    const before = zeroes ? undefined : outputs.at(-1);
    outputs.push(choose(result.y, before ?? filled(result.y.shape, 0)));
    states = result.states.map((state, i) => choose(state, states[i] as Tensor));
  }
  const width = (outputs[0] as Tensor).shape[1] as number;
  const sequence = filled([batch, steps, width], 0);
  outputs.forEach((y, t) => {
    for (let n = 0; n < batch; n++)
      sequence.data.set(y.data.subarray(n * width, (n + 1) * width), (n * steps + t) * width);
  });
  const all = flag(input, 'return_sequences', false);
  const y = all
    ? { ...sequence, ...(carried === undefined ? {} : { mask: carried }) }
    : (outputs.at(-1) as Tensor);
  return flag(input, 'return_state', false) ? [y, ...states] : y;
};

/** The layer forwards, another backwards, joined. */
export const bidirectional: Evaluate = (input) => {
  const { config } = input.layer;
  const forward = config['layer'] as LayerConfig;
  const given = config['backward_layer'] as LayerConfig | undefined;
  const sequences = forward.config['return_sequences'] === true;
  const withOptions = (layer: LayerConfig, backwards: boolean): LayerConfig => ({
    ...layer,
    config: { ...layer.config, go_backwards: backwards, zero_output_for_mask: sequences },
  });
  const forwardGoesBack = forward.config['go_backwards'] === true;
  const { x, states, mask, carried } = argumentsOf(input);
  const kwargs = mask === undefined ? {} : { mask };
  const source = { shape: x.shape, data: x.data };
  const half = states.length / 2;
  const [a, ...sa] = input.inner(
    withOptions(forward, forwardGoesBack),
    'forward_layer',
    [source, ...states.slice(0, half)],
    kwargs,
  );
  const back = withOptions(
    given ?? forward,
    given === undefined ? !forwardGoesBack : given.config['go_backwards'] === true,
  );
  const [b0, ...sb] = input.inner(back, 'backward_layer', [source, ...states.slice(half)], kwargs);
  const left = a as Tensor;
  let right = b0 as Tensor;
  if (sequences) {
    const steps = right.shape[1] as number;
    right = picked(
      right,
      1,
      Array.from({ length: steps }, (_, t) => steps - 1 - t),
    );
  }
  const handed = carried !== undefined && sequences ? { mask: carried } : {};
  const mode = config['merge_mode'] === undefined ? 'concat' : config['merge_mode'];
  if (mode === null) return [{ ...left, ...handed }, { ...right, ...handed }, ...sa, ...sb];
  const merges: Record<string, () => Tensor> = {
    ave: () => zip(left, right, (p, q) => (p + q) / 2),
    concat: () => sideBySide(left, right),
    mul: () => times(left, right),
    sum: () => add(left, right),
  };
  return [{ ...(merges[String(mode)] as () => Tensor)(), ...handed }, ...sa, ...sb];
};

function sideBySide(a: Tensor, b: Tensor): Tensor {
  const [wa, wb] = [a.shape.at(-1) as number, b.shape.at(-1) as number];
  const rows = a.data.length / wa;
  const data = new Float64Array(rows * (wa + wb));
  for (let i = 0; i < rows; i++) {
    data.set(a.data.subarray(i * wa, (i + 1) * wa), i * (wa + wb));
    data.set(b.data.subarray(i * wb, (i + 1) * wb), i * (wa + wb) + wa);
  }
  return { shape: [...a.shape.slice(0, -1), wa + wb], data };
}

function only(tensors: readonly Tensor[]): Tensor {
  const [tensor, ...more] = tensors;
  if (tensor === undefined || more.length > 0)
    throw new Error(`the reference takes steps of one tensor, not of ${tensors.length}`);
  return tensor;
}

/** Each step through the layer inside. */
export const timeDistributed: Evaluate = (input) => {
  const x = only(input.inputs);
  const [batch, steps] = x.shape as [number, number];
  const inside = input.layer.config['layer'] as LayerConfig;
  const outputs = Array.from({ length: steps }, (_, t) => {
    const now = cut(x, 1, t, t + 1);
    return only(input.inner(inside, 'layer', [{ shape: [batch, ...x.shape.slice(2)], data: now.data }]));
  });
  const shape = (outputs[0] as Tensor).shape.slice(1);
  const width = (outputs[0] as Tensor).data.length / batch;
  const data = new Float64Array(batch * steps * width);
  outputs.forEach((y, t) => {
    for (let n = 0; n < batch; n++)
      data.set(y.data.subarray(n * width, (n + 1) * width), (n * steps + t) * width);
  });
  return { shape: [batch, steps, ...shape], data, ...(x.mask === undefined ? {} : { mask: x.mask }) };
};

export const embedding: Evaluate = (input) => {
  const x = first(input);
  const table = tensorOf(input.weights.find((weight) => weight.name === 'embeddings') as Weight);
  const width = table.shape[1] as number;
  const data = new Float64Array(x.data.length * width);
  x.data.forEach((id, i) => {
    data.set(table.data.subarray(Math.trunc(id) * width, (Math.trunc(id) + 1) * width), i * width);
  });
  const mask = flag(input, 'mask_zero', false) ? { mask: map(x, (id) => (id === 0 ? 0 : 1)) } : {};
  return { shape: [...x.shape, width], data, ...mask };
};

export const masking: Evaluate = (input) => {
  const x = first(input);
  // Keras compares in float32.
  const value = Math.fround(number(input, ['mask_value'], 0));
  const width = x.shape.at(-1) as number;
  const data = x.data.slice();
  const mask = filled(x.shape.slice(0, -1), 0);
  for (let i = 0; i < mask.data.length; i++) {
    const row = data.subarray(i * width, (i + 1) * width);
    if (row.some((v) => v !== value)) mask.data[i] = 1;
    else row.fill(0);
  }
  return { shape: x.shape, data, mask };
};
