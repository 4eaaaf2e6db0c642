import type { SymbolicTensor } from '../onnx/index.ts';
import { asBool, both, causalMask, maskedSoftmax, tensorOf } from './attention-scores.ts';
import { asFloat, type LayerConverter, weightConstant } from './layer.ts';
import { cast, elementwise, matmul, reduce, transpose, unsqueeze } from './shapes.ts';

/**
 * Keras `Attention` (dot or concat scores) and `AdditiveAttention`. Inputs [query, value] or [query, value, key]:
 * [N, Tq, d], [N, Tv, d']; output [N, Tq, d'].
 * @see https://keras.io/api/layers/attention_layers/attention/
 */
export const denseAttention =
  (additive: boolean): LayerConverter =>
  (layer) => {
    const [q, v, k = v] = layer.inputs.map((input) => asFloat(layer, input)) as [
      SymbolicTensor,
      SymbolicTensor,
      SymbolicTensor?,
    ];
    const key = k as SymbolicTensor;
    const given = layer.kwargs['mask'];
    const masks = Array.isArray(given) ? given.map(tensorOf) : layer.inputs.map((input) => input.mask);
    const concatenated = additive || layer.config['score_mode'] === 'concat';
    const useScale = layer.config['use_scale'] === true || (additive && layer.config['use_scale'] !== false);
    let scores: SymbolicTensor;
    if (concatenated) {
      let sum = elementwise(layer, 'Add', [unsqueeze(layer, q, [-2]), unsqueeze(layer, key, [-3])]);
      if (!additive && useScale) sum = elementwise(layer, 'Mul', [sum, weightConstant(layer, 'scale')]);
      let bent = elementwise(layer, 'Tanh', [sum]);
      if (additive && useScale) bent = elementwise(layer, 'Mul', [bent, weightConstant(layer, 'scale')]);
      scores = reduce(layer, 'ReduceSum', bent, [-1], false);
      if (!additive)
        scores = elementwise(layer, 'Mul', [scores, weightConstant(layer, 'concat_score_weight')]);
    } else {
      scores = matmul(layer, q, transpose(layer, key, [0, 2, 1]));
      if (useScale) scores = elementwise(layer, 'Mul', [scores, weightConstant(layer, 'scale')]);
    }
    const causal = layer.kwargs['use_causal_mask'] === true || layer.config['causal'] === true;
    const valueMask = asBool(layer, masks[1]);
    const mask = both(layer, [
      valueMask === undefined ? undefined : unsqueeze(layer, valueMask, [-2]),
      causal ? causalMask(layer, scores) : undefined,
    ]);
    const shares = maskedSoftmax(layer, scores, mask, false);
    let y = matmul(layer, shares, v);
    const queryMask = asBool(layer, masks[0]);
    if (queryMask !== undefined) {
      y = {
        ...elementwise(layer, 'Mul', [y, cast(layer, unsqueeze(layer, queryMask, [-1]), 'float32')]),
        mask: queryMask,
      };
    }
    return layer.kwargs['return_attention_scores'] === true ? [y, shares] : y;
  };
