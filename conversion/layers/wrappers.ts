import type { LayerConfig } from '../keras/model.ts';
import type { SymbolicTensor } from '../onnx/index.ts';
import { type LayerConverter, onlyInput, unsupported } from './layer.ts';
import { argumentsOf } from './recurrent.ts';
import { beforeStart, concat, elementwise, reshape, scalar, slice } from './shapes.ts';

/**
 * Keras `TimeDistributed`: the layer inside on each step, as if the steps were rows of the batch.
 * Input [N, T, ...] of any open sizes but one of those after T.
 * @see https://keras.io/api/layers/recurrent_layers/time_distributed/
 */
export const timeDistributed: LayerConverter = (layer) => {
  const x = onlyInput(layer);
  const inside = layer.config['layer'] as LayerConfig;
  if (x.mask !== undefined && /RNN|LSTM|GRU|Masking|Softmax|Attention/.test(inside.class_name)) {
    throw unsupported(layer, `a mask for a ${inside.class_name} inside`);
  }
  const rest = x.shape.slice(2);
  if (rest.some((dim) => dim < 0)) throw unsupported(layer, `steps of an open shape [${x.shape}]`);
  const rows = { ...reshape(layer, x, [-1, ...rest]) };
  const [y, ...more] = layer.inner(inside, 'layer', [rows]) as [SymbolicTensor, ...SymbolicTensor[]];
  if (more.length > 0) throw unsupported(layer, `${1 + more.length} outputs of what is inside`);
  const steps = x.shape[1] as number;
  const shape = y.shape.slice(1);
  if (shape.some((dim) => dim < 0)) throw unsupported(layer, 'an inside of an open shape');
  const sizes = steps >= 0 ? [-1, steps, ...shape] : undefined;
  if (sizes !== undefined) return withMask(reshape(layer, y, sizes), x);
  const lead = layer.graph.node(
    'Shape',
    [x],
    { name: `${layer.name}/lead`, shape: [2], dtype: 'int64' },
    { start: 0n, end: 2n },
  );
  const target = layer.graph.node(
    'Concat',
    [lead, layer.graph.int64s(`${layer.name}/rest`, shape)],
    { name: `${layer.name}/target`, shape: [shape.length + 2] },
    { axis: 0n },
  );
  const out = { name: `${layer.name}/steps`, shape: [x.shape[0] as number, -1, ...shape] };
  return withMask(layer.graph.node('Reshape', [y, target], out), x);
};

const withMask = (y: SymbolicTensor, x: SymbolicTensor) =>
  x.mask === undefined ? y : { ...y, mask: x.mask };

const joins: Record<string, string> = { sum: 'Add', mul: 'Mul' };

/**
 * Keras `Bidirectional`: the layer forwards and a second one backwards, joined (`concat`, `sum`, `mul`, `ave`) or side by side.
 * @see https://keras.io/api/layers/recurrent_layers/bidirectional/
 */
export const bidirectional: LayerConverter = (layer) => {
  const forward = layer.config['layer'] as LayerConfig;
  const own = layer.config['backward_layer'] as LayerConfig | undefined;
  const backward = own ?? {
    ...forward,
    config: { ...forward.config, go_backwards: forward.config['go_backwards'] !== true },
  };
  const { x, states, seen, carried } = argumentsOf(layer);
  const half = states.length / 2;
  if (!Number.isInteger(half)) throw unsupported(layer, `${states.length} initial states`);
  const sequences = forward.config['return_sequences'] === true;
  // Keras forces this for sequences, whatever the layers say.
  const zeroing = (inside: LayerConfig): LayerConfig => ({
    ...inside,
    config: { ...inside.config, zero_output_for_mask: sequences },
  });
  const kwargs = seen === undefined ? {} : { mask: seen };
  const { mask: _, ...source } = x;
  const a = layer.inner(zeroing(forward), 'forward_layer', [source, ...states.slice(0, half)], kwargs);
  const b = layer.inner(zeroing(backward), 'backward_layer', [source, ...states.slice(half)], kwargs);
  const [ya, ...sa] = a as [SymbolicTensor, ...SymbolicTensor[]];
  let [yb, ...sb] = b as [SymbolicTensor, ...SymbolicTensor[]];
  if (sequences) yb = slice(layer, yb, [{ axis: 1, start: -1, end: beforeStart, step: -1 }]);
  const mode = layer.config['merge_mode'];
  const mask = carried !== undefined && sequences ? { mask: carried } : {};
  if (mode === null) return [{ ...ya, ...mask }, { ...yb, ...mask }, ...sa, ...sb];
  let y: SymbolicTensor;
  if (mode === 'concat' || mode === undefined) y = concat(layer, [ya, yb], ya.shape.length - 1);
  else if (mode === 'ave')
    y = elementwise(layer, 'Mul', [elementwise(layer, 'Add', [ya, yb]), scalar(layer, 0.5)]);
  else if (joins[String(mode)] !== undefined) y = elementwise(layer, joins[String(mode)] as string, [ya, yb]);
  else throw unsupported(layer, `merge_mode=${JSON.stringify(mode)}`);
  return [{ ...y, ...mask }, ...sa, ...sb];
};
