import { processedOutputs } from '../conversion/manifest/index.ts';
import type { Servable } from './engine/servable.ts';
import type { TensorValue } from './engine/tensor.ts';
import { assertNamedOnce, placesOf } from './validation.ts';

type Choose = (outputs: readonly TensorValue[]) => readonly TensorValue[];

/** Which outputs are told: those that are named, else all; in words where the request came as pictures or columns. */
export function chooserOf(
  servable: Servable,
  names: readonly string[] | undefined,
  asWords: boolean,
): Choose {
  const { processor } = servable;
  if (names === undefined) return processor && asWords ? (all) => processor.answer(all) : (all) => all;
  assertNamedOnce(names);
  const isWord = (name: string) => Object.hasOwn(processedOutputs, name);
  if (processor?.postprocessing === undefined || !names.some(isWord)) {
    const places = placesOf(servable, names);
    return (all) => places.map((index) => all[index] as TensorValue);
  }
  placesOf(
    servable,
    names.filter((name) => !isWord(name)),
  );
  return (all) => {
    const told = [...all, ...processor.answer(all)];
    return names.map((name) => told.find((output) => output.name === name) as TensorValue);
  };
}
