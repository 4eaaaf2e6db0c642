/** A value of the given shape, nested; open sizes become 1. */
function nested(shape, value) {
  const [size, ...rest] = shape;
  return size === undefined
    ? value()
    : Array.from({ length: size < 0 ? 1 : size }, () => nested(rest, value));
}

const zero = (dtype) => (dtype === 'string' ? '' : dtype === 'bool' ? false : 0);

/** Whether a model takes one 28x28 picture and tells a class of it, as the sample does. */
export function takesDigits({ inputs, outputs }) {
  const [input] = inputs;
  const sizes = input.shape.slice(1).filter((size) => size !== 1);
  return (
    inputs.length === 1 &&
    input.shape[0] === -1 &&
    /^float(32|64)$/.test(input.dtype) &&
    (sizes.join() === '784' || sizes.join() === '28,28') &&
    outputs[0].shape.length === 2 &&
    outputs[0].shape[1] === 10
  );
}

/** One row of numbers in the shape that the model's only input has. */
export function asInstance({ inputs }, numbers) {
  let next = 0;
  return nested(inputs[0].shape.slice(1), () => numbers[next++]);
}

/** A request that the model answers: rows where every input has a batch, columns otherwise. */
export function exampleBody({ inputs }) {
  const columns = inputs.some(({ shape }) => shape[0] !== -1);
  const value = ({ dtype, shape }) => nested(columns ? shape : shape.slice(1), () => zero(dtype));
  const named = Object.fromEntries(inputs.map((input) => [input.name, value(input)]));
  if (columns) return { inputs: named };
  return { instances: [inputs.length === 1 ? named[inputs[0].name] : named] };
}

/** The first output of the first row of a predict answer. */
export function firstOutput({ outputs }, { predictions }) {
  const [row] = predictions;
  return outputs.length === 1 ? row : row[outputs[0].name];
}

/** `pixels float32 [-1,784] → digit float32 [-1,10]` */
export function describe({ inputs, outputs }) {
  const tensors = (specs) => specs.map(({ name, dtype, shape }) => `${name} ${dtype} [${shape}]`).join(', ');
  return `${tensors(inputs)} → ${tensors(outputs)}`;
}
