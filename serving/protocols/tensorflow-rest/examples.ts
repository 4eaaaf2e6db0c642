import { classesOf, regressionsOf } from '../../classification.ts';
import type { Servable } from '../../engine/servable.ts';
import type { TensorValue } from '../../engine/tensor.ts';
import { ServingError } from '../../errors.ts';
import { exampleOfExamples } from '../../example.ts';
import { type FeatureValue, inputsOfExamples } from '../../examples.ts';
import type { Inference } from '../../inference.ts';
import { badInput } from '../../validation.ts';
import type { NonFinitePolicy } from '../../wire/policy.ts';
import type { JsonReader } from '../../wire/reader.ts';
import { tensorText } from '../../wire/writer.ts';
import { checkSignatureName, maxRowObjects, readBody } from './body.ts';

type Features = Map<string, readonly FeatureValue[]>;

/**
 * The body of `:classify` and `:regress`: `examples`, each an object of features, and features that all share in `context`.
 * @throws ServingError SERVING_BAD_JSON, SERVING_BAD_SIGNATURE, SERVING_BAD_INPUT
 */
export function parseExamples(
  servable: Servable,
  body: Buffer,
  policy: NonFinitePolicy,
): readonly TensorValue[] {
  try {
    return readExamples(servable, body, policy);
  } catch (error) {
    if (!(error instanceof ServingError) || error.example === undefined) throw error;
    throw new ServingError(error.code, error.message, JSON.stringify(exampleOfExamples(servable)));
  }
}

function readExamples(servable: Servable, body: Buffer, policy: NonFinitePolicy): readonly TensorValue[] {
  return readBody(servable, body, policy, (reader) => {
    let context: Features = new Map();
    let examples: Features[] | undefined;
    reader.object((key) => {
      if (key === 'signature_name') checkSignatureName(reader.value());
      else if (key === 'context') context = readFeatures(servable, reader, 'context');
      else if (key === 'examples') {
        const list: Features[] = [];
        reader.array((index) => {
          if (index === maxRowObjects)
            throw badInput(servable, `There are more than ${maxRowObjects} examples: predict takes columns`);
          list.push(readFeatures(servable, reader, `examples[${index}]`));
        });
        examples = list;
      } else reader.value();
    });
    reader.end();
    if (!examples) throw badInput(servable, "Missing 'examples' key");
    return inputsOfExamples(
      servable,
      examples.map((features) => (features.size === 0 ? context : new Map([...context, ...features]))),
    );
  });
}

/** Only features that are inputs of the model count, as in TensorFlow's own parsing of examples. */
function readFeatures(servable: Servable, reader: JsonReader, path: string): Features {
  const features: Features = new Map();
  reader.object((name) => {
    const spec = servable.signature.inputs.find((input) => input.name === name);
    if (servable.processor?.isColumn(name)) {
      features.set(name, reader.values(1) as FeatureValue[]);
      return;
    }
    if (!spec) {
      reader.value();
      return;
    }
    if (servable.processor?.imageOf(name) !== undefined && !reader.isArray()) {
      features.set(name, reader.tensor('string', `${path}.${name}`).data as Uint8Array[]);
      return;
    }
    const { data } = reader.tensor(spec.dtype === 'float16' ? 'float64' : spec.dtype, `${path}.${name}`);
    features.set(name, Array.from(data as ArrayLike<FeatureValue>));
  });
  return features;
}

const scoreText = (score: number, policy: NonFinitePolicy) =>
  tensorText({ dtype: 'float32', shape: [], data: Float32Array.of(score) }, policy);

/** `results`: for each example a list of [label, score]. */
export function renderClasses({ servable, outputs }: Inference, policy: NonFinitePolicy): string {
  const rows = classesOf(servable, outputs).map((classes) =>
    classes.map(({ label, score }) => `[${JSON.stringify(label)},${scoreText(score, policy)}]`).join(','),
  );
  return `{"results":[${rows.map((row) => `[${row}]`).join(',')}]}`;
}

/** `results`: for each example a value. */
export function renderRegressions({ servable, outputs }: Inference, policy: NonFinitePolicy): string {
  const values = regressionsOf(servable, outputs).map((value) => scoreText(value, policy));
  return `{"results":[${values.join(',')}]}`;
}
