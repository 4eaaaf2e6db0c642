import type { DataType } from '../../conversion/manifest/index.ts';
import { classesOf } from '../classification.ts';
import type { Servable } from '../engine/servable.ts';
import type { TensorValue } from '../engine/tensor.ts';
import { best } from '../processing/class-scores.ts';

/** What the server offers beyond the Open Inference Protocol's core, by the names of its reference implementation. */
export const openInferenceExtensions = [
  'binary_tensor_data',
  'classification',
  'model_repository',
  'parameters',
  'statistics',
] as const;

/** What runs the models, by the name of the reference implementation. */
export const openInferencePlatform = 'onnxruntime_onnx';

/** The Open Inference Protocol's names of the element types. */
export const openInferenceNames = {
  bool: 'BOOL',
  uint8: 'UINT8',
  uint16: 'UINT16',
  uint32: 'UINT32',
  uint64: 'UINT64',
  int8: 'INT8',
  int16: 'INT16',
  int32: 'INT32',
  int64: 'INT64',
  float16: 'FP16',
  float32: 'FP32',
  float64: 'FP64',
  string: 'BYTES',
} as const satisfies Record<DataType, string>;

const byOpenInferenceName = new Map(
  Object.entries(openInferenceNames).map(([dtype, name]) => [name as string, dtype as DataType]),
);

/** Our name of a datatype of the Open Inference Protocol; undefined where it has none. */
export function fromOpenInference(name: string): DataType | undefined {
  return byOpenInferenceName.get(name);
}

/**
 * The classification extension: the k best classes of each row as `score:index[:label]` in place of an output's values.
 * @throws ServingError SERVING_BAD_SIGNATURE where the output has no classes
 */
export function classified(servable: Servable, output: TensorValue, count: number): TensorValue {
  const rows = classesOf(servable, [output]).map((classes) => best(classes, count));
  const hasLabels = servable.manifest.labels !== undefined;
  const texts = rows
    .flat()
    .map(({ score, index, label }) => `${score.toFixed(6)}:${index}${hasLabels ? `:${label}` : ''}`);
  return { name: output.name, dtype: 'string', shape: [rows.length, rows[0]?.length ?? 0], data: texts };
}
