import { type LayerConfig, named, type Weight } from '../../keras/model.ts';
import type { Value } from '../ir.ts';
import { binary } from './arithmetic.ts';
import { type LayerContext, type LayerConverter, onlyInput, unsupported } from './layer.ts';
import { reshape } from './movement.ts';

/** The variables of a layer inside: by the path of attributes, and for files that lack it by order. */
function inside(layer: LayerContext, attribute: string, part: 0 | 1, parts: 1 | 2): Weight[] {
  const start = `${attribute}/`;
  const inside = layer.weights.filter(({ name }) => name.startsWith(start));
  if (inside.length > 0) return inside.map((weight) => named(weight.name.slice(start.length), weight));
  const size = layer.weights.length / parts;
  return layer.weights.slice(part * size, (part + 1) * size);
}

/** [N, T, C] in the other order of time. */
function reversed(layer: LayerContext, x: Value): Value {
  const axis = layer.graph.int32s(`${layer.name}/time`, [1]);
  return layer.graph.node('REVERSE_V2', [x, axis], { name: `${layer.name}/reversed`, shape: x.shape });
}

function merged(layer: LayerContext, forward: Value, backward: Value): Value | readonly Value[] {
  const mode = layer.config['merge_mode'] === undefined ? 'concat' : layer.config['merge_mode'];
  if (mode === null) return [forward, backward];
  if (mode === 'concat') {
    const axis = forward.shape.length - 1;
    const width = (forward.shape[axis] as number) + (backward.shape[axis] as number);
    const shape = [...forward.shape.slice(0, -1), width];
    const options = { axis, fusedActivationFunction: 0 };
    return layer.graph.node(
      'CONCATENATION',
      [forward, backward],
      { name: `${layer.name}/both`, shape },
      options,
    );
  }
  if (mode === 'mul') return binary(layer, 'MUL', forward, backward);
  if (mode !== 'sum' && mode !== 'ave') throw unsupported(layer, `merge_mode ${JSON.stringify(mode)}`);
  const sum = binary(layer, 'ADD', forward, backward);
  return mode === 'sum' ? sum : binary(layer, 'MUL', sum, 0.5);
}

/** Keras `Bidirectional`: a recurrent layer and one that goes back in time. */
const bidirectional: LayerConverter = (layer) => {
  const forward = layer.config['layer'] as LayerConfig;
  const given = layer.config['backward_layer'] as LayerConfig | null | undefined;
  const goesBack = forward.config['go_backwards'] !== true;
  const backward = given ?? { ...forward, config: { ...forward.config, go_backwards: goesBack } };
  if (layer.inputs.length !== 1) throw unsupported(layer, 'initial states');
  const run = (inner: LayerConfig, attribute: string, part: 0 | 1) => {
    const name = `${part === 0 ? 'forward' : 'backward'}`;
    const config = { ...inner.config, name };
    return layer.inner({ ...inner, config }, inside(layer, attribute, part, 2), layer.inputs);
  };
  const [y, ...states] = run(forward, 'forward_layer', 0) as [Value, ...Value[]];
  const [z, ...otherStates] = run(backward, 'backward_layer', 1) as [Value, ...Value[]];
  const aligned = forward.config['return_sequences'] === true ? reversed(layer, z) : z;
  const both = merged(layer, y, aligned);
  return [...(Array.isArray(both) ? both : [both]), ...states, ...otherStates] as Value[];
};

/** Keras `TimeDistributed`: a layer on every step, which are rows of one large batch. */
const timeDistributed: LayerConverter = (layer) => {
  const x = onlyInput(layer);
  const [batch = -1, steps = -1, ...rest] = x.shape;
  if (steps < 0) throw unsupported(layer, 'a sequence of open length');
  const rows = reshape(layer, x, [batch < 0 ? -1 : batch * steps, ...rest]);
  const results = layer.inner(layer.config['layer'] as LayerConfig, inside(layer, 'layer', 0, 1), [rows]);
  const [y] = results;
  if (y === undefined || results.length !== 1) throw unsupported(layer, 'a layer with several outputs');
  return reshape(layer, y, [batch, steps, ...y.shape.slice(1)]);
};

/** Keras's layers around layers. */
export const wrappers = {
  Bidirectional: bidirectional,
  TimeDistributed: timeDistributed,
} as const satisfies Record<string, LayerConverter>;
