import { countOf } from '../ir.ts';
import { type Call, fused, type Operator, operand, option } from './operator.ts';
import { EvaluationError, type Tensor, tensorOf } from './tensor.ts';

/** What hybrid kernels make of float values: int8 steps between the row's least and largest value, zero included. */
function quantizedRows(x: Tensor, width: number): Tensor {
  const data = x.data.slice();
  for (let start = 0; start < data.length; start += width) {
    const row = data.subarray(start, start + width);
    const low = row.reduce((a, b) => Math.min(a, b), 0);
    const high = row.reduce((a, b) => Math.max(a, b), 0);
    const scale = (high - low) / 255;
    if (scale === 0) continue;
    const zero = Math.round(-128 - low / scale);
    for (let i = 0; i < row.length; i++) {
      const step = Math.min(Math.max(Math.round((row[i] as number) / scale) + zero, -128), 127);
      row[i] = (step - zero) * scale;
    }
  }
  return { shape: x.shape, data };
}

/** The activations as the kernel uses them. */
const activations = (call: Call, x: Tensor, width: number) => (call.isHybrid ? quantizedRows(x, width) : x);

/** x [..., depth] times weights [units, depth]. */
const fullyConnected: Operator = (call) => {
  const weights = operand(call, 1);
  const [units = 0, depth = 0] = weights.shape;
  const x = activations(call, operand(call, 0), depth);
  const bias = call.inputs[2];
  const rows = x.data.length / depth;
  if (!Number.isInteger(rows))
    throw new EvaluationError(`[${x.shape}] does not fit weights [${weights.shape}]`);
  call.spend(rows * units * depth);
  const shape = call.options['keepNumDims'] === true ? [...x.shape.slice(0, -1), units] : [rows, units];
  const result = tensorOf(shape);
  for (let row = 0; row < rows; row++) {
    for (let unit = 0; unit < units; unit++) {
      let sum = bias?.data[unit] ?? 0;
      for (let i = 0; i < depth; i++) {
        sum += (x.data[row * depth + i] as number) * (weights.data[unit * depth + i] as number);
      }
      result.data[row * units + unit] = sum;
    }
  }
  return fused(call, result);
};

const batchMatMul: Operator = (call) => {
  const [a, b] = [operand(call, 0), operand(call, 1)];
  const [adjX, adjY] = [call.options['adjX'] === true, call.options['adjY'] === true];
  const [rowsA = 1, columnsA = 1] = a.shape.slice(-2);
  const [rowsB = 1, columnsB = 1] = b.shape.slice(-2);
  const [rows, depth] = adjX ? [columnsA, rowsA] : [rowsA, columnsA];
  const [depthB, columns] = adjY ? [columnsB, rowsB] : [rowsB, columnsB];
  if (depth !== depthB) throw new EvaluationError(`[${a.shape}] times [${b.shape}]`);
  const batchA = countOf(a.shape.slice(0, -2));
  const batchB = countOf(b.shape.slice(0, -2));
  const batch = Math.max(batchA, batchB);
  if (batch % batchA !== 0 || batch % batchB !== 0)
    throw new EvaluationError(`[${a.shape}] times [${b.shape}]`);
  call.spend(batch * rows * depth * columns);
  const outer = (a.shape.length >= b.shape.length ? a : b).shape.slice(0, -2);
  const result = tensorOf([...outer, rows, columns]);
  for (let n = 0; n < batch; n++) {
    const atA = (n % batchA) * rows * depth;
    const atB = (n % batchB) * depth * columns;
    for (let i = 0; i < rows; i++) {
      for (let j = 0; j < columns; j++) {
        let sum = 0;
        for (let k = 0; k < depth; k++) {
          const left = a.data[atA + (adjX ? k * rows + i : i * depth + k)] as number;
          const right = b.data[atB + (adjY ? j * depth + k : k * columns + j)] as number;
          sum += left * right;
        }
        result.data[(n * rows + i) * columns + j] = sum;
      }
    }
  }
  return result;
};

/** Along one axis of a window: how many results, and where the first window begins. SAME is 0, VALID is 1. */
export function windows(call: Call, size: number, kernel: number, stride: number, dilation = 1) {
  if (stride < 1 || dilation < 1 || kernel < 1)
    throw new EvaluationError(`${call.operator} with a window of nothing`);
  const reach = (kernel - 1) * dilation + 1;
  if (option(call, 'padding') === 1) return { count: Math.floor((size - reach) / stride) + 1, start: 0 };
  const count = Math.ceil(size / stride);
  return { count, start: -Math.floor(Math.max(0, (count - 1) * stride + reach - size) / 2) };
}

/** x [N, H, W, C] with filters [outputs, h, w, C / groups]. */
const conv2d: Operator = (call) => {
  const filter = operand(call, 1);
  const x = activations(call, operand(call, 0), countOf(operand(call, 0).shape.slice(1)));
  const [batch = 0, height = 0, width = 0, channels = 0] = x.shape;
  const [outputs = 0, kernelH = 0, kernelW = 0, depth = 0] = filter.shape;
  const groups = channels / depth;
  if (!Number.isInteger(groups) || outputs % groups !== 0) {
    throw new EvaluationError(`[${x.shape}] does not fit filters [${filter.shape}]`);
  }
  const [strideH, strideW] = [option(call, 'strideH'), option(call, 'strideW')];
  const [dilationH, dilationW] = [option(call, 'dilationHFactor'), option(call, 'dilationWFactor')];
  const rows = windows(call, height, kernelH, strideH, dilationH);
  const columns = windows(call, width, kernelW, strideW, dilationW);
  const result = tensorOf([batch, rows.count, columns.count, outputs]);
  call.spend(result.data.length * kernelH * kernelW * depth);
  const bias = call.inputs[2];
  const perGroup = outputs / groups;
  let to = 0;
  for (let n = 0; n < batch; n++) {
    for (let y = 0; y < rows.count; y++) {
      for (let z = 0; z < columns.count; z++) {
        for (let o = 0; o < outputs; o++) {
          const group = Math.floor(o / perGroup) * depth;
          let sum = bias?.data[o] ?? 0;
          for (let i = 0; i < kernelH; i++) {
            const row = y * strideH + rows.start + i * dilationH;
            if (row < 0 || row >= height) continue;
            for (let j = 0; j < kernelW; j++) {
              const column = z * strideW + columns.start + j * dilationW;
              if (column < 0 || column >= width) continue;
              const from = ((n * height + row) * width + column) * channels + group;
              const at = ((o * kernelH + i) * kernelW + j) * depth;
              for (let c = 0; c < depth; c++) {
                sum += (x.data[from + c] as number) * (filter.data[at + c] as number);
              }
            }
          }
          result.data[to++] = sum;
        }
      }
    }
  }
  return fused(call, result);
};

/** x [N, H, W, C] with filters [1, h, w, C * multiplier]. */
const depthwiseConv2d: Operator = (call) => {
  const filter = operand(call, 1);
  const x = activations(call, operand(call, 0), countOf(operand(call, 0).shape.slice(1)));
  const [batch = 0, height = 0, width = 0, channels = 0] = x.shape;
  const [, kernelH = 0, kernelW = 0, outputs = 0] = filter.shape;
  const multiplier = outputs / channels;
  if (!Number.isInteger(multiplier))
    throw new EvaluationError(`[${x.shape}] does not fit filters [${filter.shape}]`);
  const [strideH, strideW] = [option(call, 'strideH'), option(call, 'strideW')];
  const [dilationH, dilationW] = [option(call, 'dilationHFactor'), option(call, 'dilationWFactor')];
  const rows = windows(call, height, kernelH, strideH, dilationH);
  const columns = windows(call, width, kernelW, strideW, dilationW);
  const result = tensorOf([batch, rows.count, columns.count, outputs]);
  call.spend(result.data.length * kernelH * kernelW);
  const bias = call.inputs[2];
  let to = 0;
  for (let n = 0; n < batch; n++) {
    for (let y = 0; y < rows.count; y++) {
      for (let z = 0; z < columns.count; z++) {
        for (let o = 0; o < outputs; o++) {
          const channel = Math.floor(o / multiplier);
          let sum = bias?.data[o] ?? 0;
          for (let i = 0; i < kernelH; i++) {
            const row = y * strideH + rows.start + i * dilationH;
            if (row < 0 || row >= height) continue;
            for (let j = 0; j < kernelW; j++) {
              const column = z * strideW + columns.start + j * dilationW;
              if (column < 0 || column >= width) continue;
              sum +=
                (x.data[((n * height + row) * width + column) * channels + channel] as number) *
                (filter.data[(i * kernelW + j) * outputs + o] as number);
            }
          }
          result.data[to++] = sum;
        }
      }
    }
  }
  return fused(call, result);
};

/** The gradient of a convolution: every input element adds its filter to the result. Filters [outputs, h, w, C]. */
const transposeConv: Operator = (call) => {
  const [shape, filter] = [Array.from(operand(call, 0).data), operand(call, 1)];
  const x = activations(call, operand(call, 2), countOf(operand(call, 2).shape.slice(1)));
  const [batch = 0, height = 0, width = 0, channels = 0] = x.shape;
  const [outputs = 0, kernelH = 0, kernelW = 0] = filter.shape;
  const [strideH, strideW] = [option(call, 'strideH'), option(call, 'strideW')];
  const result = tensorOf(shape);
  const [, outHeight = 0, outWidth = 0] = shape;
  if (shape[3] !== outputs || shape[0] !== batch || filter.shape[3] !== channels) {
    throw new EvaluationError(`TRANSPOSE_CONV of [${x.shape}] to [${shape}]`);
  }
  // The forward convolution of the result decides where the filters lie.
  const top = windows(call, outHeight, kernelH, strideH).start;
  const left = windows(call, outWidth, kernelW, strideW).start;
  call.spend(x.data.length * kernelH * kernelW * outputs);
  const bias = call.inputs[3];
  if (bias !== undefined)
    for (let i = 0; i < result.data.length; i++) result.data[i] = bias.data[i % outputs] as number;
  for (let n = 0; n < batch; n++) {
    for (let y = 0; y < height; y++) {
      for (let z = 0; z < width; z++) {
        for (let i = 0; i < kernelH; i++) {
          const row = y * strideH + top + i;
          if (row < 0 || row >= outHeight) continue;
          for (let j = 0; j < kernelW; j++) {
            const column = z * strideW + left + j;
            if (column < 0 || column >= outWidth) continue;
            const to = ((n * outHeight + row) * outWidth + column) * outputs;
            const from = ((n * height + y) * width + z) * channels;
            for (let o = 0; o < outputs; o++) {
              const at = ((o * kernelH + i) * kernelW + j) * channels;
              let sum = 0;
              for (let c = 0; c < channels; c++) {
                sum += (x.data[from + c] as number) * (filter.data[at + c] as number);
              }
              result.data[to + o] = (result.data[to + o] as number) + sum;
            }
          }
        }
      }
    }
  }
  return fused(call, result);
};

/** Operators with weights. */
export const linear = {
  BATCH_MATMUL: batchMatMul,
  CONV_2D: conv2d,
  DEPTHWISE_CONV_2D: depthwiseConv2d,
  FULLY_CONNECTED: fullyConnected,
  TRANSPOSE_CONV: transposeConv,
} as const satisfies Record<string, Operator>;
