import { type Feature, isImage, type TensorSpec } from '../../../conversion/manifest/index.ts';
import type { Processor } from '../../processing/processor.ts';
import { openInferenceNames } from '../../wire/open-inference.ts';
import { list, object, type Schema, shapeSchema, tensorSchema, text } from './schemas.ts';

/** JPEG or PNG. */
const picture: Schema = {
  ...object({ b64: { type: 'string', contentEncoding: 'base64' } }),
  description: 'A picture: the bytes of a JPEG or PNG in base64.',
};

function cellSchema(feature: Feature): Schema {
  const missing = feature.default === undefined ? {} : { default: feature.default };
  if (feature.kind === 'number')
    return { type: feature.default === undefined ? 'number' : ['number', 'null'], ...missing };
  const words = feature.vocabulary.flatMap((word) => (/^-?\d+$/.test(word) ? [word, Number(word)] : [word]));
  if (feature.unknown === 'refuse')
    return { enum: feature.default === undefined ? words : [...words, null], ...missing };
  return { type: ['string', 'integer', 'null'], examples: words.slice(0, 20), ...missing };
}

const mayBeMissing = ({ default: value }: Feature) => value !== undefined;

/** A row by name: pictures, named columns, and tensors for what is neither. */
export function processedRow(specs: readonly TensorSpec[], { preprocessing }: Processor): Schema {
  const optional: string[] = [];
  const properties = specs.flatMap((spec): [string, Schema][] => {
    const declared = preprocessing[spec.name];
    if (declared === undefined) return [[spec.name, tensorSchema(spec, spec.shape.slice(1))]];
    if (isImage(declared)) return [[spec.name, picture]];
    optional.push(...declared.features.filter(mayBeMissing).map(({ name }) => name));
    return declared.features.map((feature) => [feature.name, cellSchema(feature)]);
  });
  return object(Object.fromEntries(properties), optional);
}

/** The same for `infer`: pictures as BYTES, columns as tensors of one value a row. */
export function processedInfer(specs: readonly TensorSpec[], { preprocessing }: Processor): Schema {
  const named = specs.flatMap(({ name }): string[] => {
    const declared = preprocessing[name];
    return declared === undefined || isImage(declared)
      ? [name]
      : declared.features.map((feature) => feature.name);
  });
  return list(
    object({
      name: { enum: named },
      datatype: { enum: Object.values(openInferenceNames) },
      shape: shapeSchema,
      data: list({ anyOf: [{ type: 'number' }, text] }),
    }),
  );
}
