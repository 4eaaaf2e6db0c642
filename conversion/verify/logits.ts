import type { Signature } from '../manifest/index.ts';
import { type ModelProto, type ValueInfoProto, valueInfo } from '../onnx/index.ts';
import { softmaxOver } from './interpreter/functions.ts';
import type { Tensor } from './interpreter/index.ts';
import { mean, zip } from './interpreter/tensor.ts';

/** Outputs that are a Softmax over the last axis, with what goes into it: softmax hides errors, logits show them. */
function logitsOf(model: ModelProto): Map<string, string> {
  const producers = new Map(
    model.graph!.node.flatMap((node) => node.output.map((output) => [output, node] as const)),
  );
  return new Map(
    model.graph!.output.flatMap(({ name }) => {
      const end = producers.get(name);
      const softmax = end?.opType === 'Identity' ? producers.get(end.input[0] as string) : end;
      const axis = softmax?.attribute.find((attribute) => attribute.name === 'axis')?.i;
      return softmax?.opType === 'Softmax' && axis === -1n
        ? [[name, softmax.input[0] as string] as const]
        : [];
    }),
  );
}

/** Rows less their mean: logits are known up to a constant only. */
const centered = (x: Tensor): Tensor => zip(x, mean(x, [-1], true), (a, b) => a - b);

/** Probabilities as the logits that they come from. */
const asLogits = ({ shape, data }: Tensor): Tensor => centered({ shape, data: data.map(Math.log) });

/** What a run gives, and what it is held to. */
export interface Judged {
  /** For each output: the logits in the place of a softmax. */
  readonly actual: readonly Tensor[];
  readonly expected: readonly Tensor[];
  /** The softmaxes themselves: what ships against what its own logits make. */
  readonly ends: readonly { readonly actual: Tensor; readonly expected: Tensor }[];
}

/** Which values of a model are judged by the outputs of its reference, and how. */
export interface JudgedValues {
  readonly wanted: readonly string[];
  /** Of those, what the model does not give by itself. */
  readonly added: readonly ValueInfoProto[];
  of(values: readonly Tensor[]): Judged;
  /** The outputs of another run in the form in which the reference's are judged. */
  alike(outputs: readonly Tensor[]): readonly Tensor[];
}

/** The outputs, and the logits before those that are a softmax without a zero. */
export function judgedValues(
  model: ModelProto,
  { outputs }: Signature,
  reference: readonly Tensor[],
): JudgedValues {
  const logits = logitsOf(model);
  const sources = outputs.map(({ name }, i) =>
    (reference[i] as Tensor).data.every((p) => p > 0) ? logits.get(name) : undefined,
  );
  const added = new Map<string, ValueInfoProto>();
  sources.forEach((name, i) => {
    if (name === undefined || model.graph!.output.some((info) => info.name === name)) return;
    const shape = outputs[i]!.shape.map(() => -1);
    added.set(name, valueInfo({ name, dtype: 'float32', shape }));
  });
  const inside = sources.filter((name) => name !== undefined);
  const alike = (values: readonly Tensor[]) =>
    values.map((value, i) => (sources[i] === undefined ? value : asLogits(value)));
  return {
    wanted: [...outputs.map(({ name }) => name), ...inside],
    added: [...added.values()],
    alike,
    of(values) {
      const own = values.slice(outputs.length);
      const given = sources.map((name) => (name === undefined ? undefined : own.shift()));
      return {
        actual: given.map((value, i) => (value === undefined ? (values[i] as Tensor) : centered(value))),
        expected: alike(reference),
        ends: given.flatMap((value, i) =>
          value === undefined ? [] : [{ actual: values[i] as Tensor, expected: softmaxOver(value, [-1]) }],
        ),
      };
    },
  };
}
