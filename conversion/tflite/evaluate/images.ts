import { windows } from './linear.ts';
import { type Call, fused, type Operator, operand, option } from './operator.ts';
import { tensorOf } from './tensor.ts';

/** One number of all elements of a window that are inside. */
const pool =
  (
    start: number,
    f: (sum: number, value: number) => number,
    finish: (sum: number, count: number) => number,
  ): Operator =>
  (call) => {
    const x = operand(call, 0);
    const [batch = 0, height = 0, width = 0, channels = 0] = x.shape;
    const [kernelH, kernelW] = [option(call, 'filterHeight'), option(call, 'filterWidth')];
    const [strideH, strideW] = [option(call, 'strideH'), option(call, 'strideW')];
    const rows = windows(call, height, kernelH, strideH);
    const columns = windows(call, width, kernelW, strideW);
    const result = tensorOf([batch, rows.count, columns.count, channels]);
    call.spend(result.data.length * kernelH * kernelW);
    let to = 0;
    for (let n = 0; n < batch; n++) {
      for (let y = 0; y < rows.count; y++) {
        for (let z = 0; z < columns.count; z++) {
          for (let c = 0; c < channels; c++) {
            let sum = start;
            let count = 0;
            for (let i = 0; i < kernelH; i++) {
              const row = y * strideH + rows.start + i;
              if (row < 0 || row >= height) continue;
              for (let j = 0; j < kernelW; j++) {
                const column = z * strideW + columns.start + j;
                if (column < 0 || column >= width) continue;
                sum = f(sum, x.data[((n * height + row) * width + column) * channels + c] as number);
                count++;
              }
            }
            result.data[to++] = finish(sum, count);
          }
        }
      }
    }
    return fused(call, result);
  };

/** Where result position `i` lies in the source, by the options that both resize operators share. */
function sourceOf(call: Call, size: number, wanted: number): (i: number) => number {
  const isAligned = call.options['alignCorners'] === true && wanted > 1;
  const scale = isAligned ? (size - 1) / (wanted - 1) : size / wanted;
  const shift = call.options['halfPixelCenters'] === true ? 0.5 : 0;
  return (i) => (i + shift) * scale - shift;
}

const resizeNearest: Operator = (call) => {
  const x = operand(call, 0);
  const [batch = 0, height = 0, width = 0, channels = 0] = x.shape;
  const [rows = 0, columns = 0] = operand(call, 1).data;
  const isAligned = call.options['alignCorners'] === true;
  const shift = call.options['halfPixelCenters'] === true ? 0.5 : 0;
  const nearest = (size: number, wanted: number) => {
    const scale = isAligned && wanted > 1 ? (size - 1) / (wanted - 1) : size / wanted;
    return (i: number) => {
      const at = (i + shift) * scale;
      return Math.min(Math.max(isAligned ? Math.round(at) : Math.floor(at), 0), size - 1);
    };
  };
  const [row, column] = [nearest(height, rows), nearest(width, columns)];
  const result = tensorOf([batch, rows, columns, channels]);
  let to = 0;
  for (let n = 0; n < batch; n++) {
    for (let y = 0; y < rows; y++) {
      for (let z = 0; z < columns; z++) {
        const from = ((n * height + row(y)) * width + column(z)) * channels;
        for (let c = 0; c < channels; c++) result.data[to++] = x.data[from + c] as number;
      }
    }
  }
  return result;
};

const resizeBilinear: Operator = (call) => {
  const x = operand(call, 0);
  const [batch = 0, height = 0, width = 0, channels = 0] = x.shape;
  const [rows = 0, columns = 0] = operand(call, 1).data;
  const corners = (size: number, wanted: number) => {
    const source = sourceOf(call, size, wanted);
    return (i: number) => {
      const at = source(i);
      const low = Math.floor(at);
      const clip = (v: number) => Math.min(Math.max(v, 0), size - 1);
      return { low: clip(low), high: clip(low + 1), share: at - low };
    };
  };
  const [vertical, horizontal] = [corners(height, rows), corners(width, columns)];
  const result = tensorOf([batch, rows, columns, channels]);
  let to = 0;
  for (let n = 0; n < batch; n++) {
    const at = (row: number, column: number, c: number) =>
      x.data[((n * height + row) * width + column) * channels + c] as number;
    for (let y = 0; y < rows; y++) {
      const v = vertical(y);
      for (let z = 0; z < columns; z++) {
        const h = horizontal(z);
        for (let c = 0; c < channels; c++) {
          const top = at(v.low, h.low, c) * (1 - h.share) + at(v.low, h.high, c) * h.share;
          const bottom = at(v.high, h.low, c) * (1 - h.share) + at(v.high, h.high, c) * h.share;
          result.data[to++] = top * (1 - v.share) + bottom * v.share;
        }
      }
    }
  }
  return result;
};

/** Operators over the rows and columns of images [N, H, W, C]. */
export const images = {
  AVERAGE_POOL_2D: pool(
    0,
    (a, b) => a + b,
    (sum, count) => sum / count,
  ),
  MAX_POOL_2D: pool(Number.NEGATIVE_INFINITY, Math.max, (max) => max),
  RESIZE_BILINEAR: resizeBilinear,
  RESIZE_NEAREST_NEIGHBOR: resizeNearest,
} as const satisfies Record<string, Operator>;
