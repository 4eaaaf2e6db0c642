import { defaultSignatureName } from '../../../conversion/manifest/index.ts';
import type { Servable } from '../../engine/servable.ts';
import { ServingError } from '../../errors.ts';
import { badInput } from '../../validation.ts';
import { WireFault } from '../../wire/faults.ts';
import type { NonFinitePolicy } from '../../wire/policy.ts';
import { JsonReader } from '../../wire/reader.ts';

/** An object for each row takes many times the memory of its text: more rows than this come as columns. */
export const maxRowObjects = 100_000;

/** Faults of the document itself; the others are of the tensors in it. */
const documentFaults: readonly string[] = ['WIRE_SYNTAX', 'WIRE_EMPTY', 'WIRE_NOT_AN_OBJECT'];

/**
 * Reads a body that is an object.
 * @throws ServingError SERVING_BAD_JSON, SERVING_BAD_INPUT, with a request that works
 */
export function readBody<T>(
  servable: Servable,
  body: Buffer,
  policy: NonFinitePolicy,
  read: (reader: JsonReader) => T,
): T {
  try {
    const reader = new JsonReader([body], policy);
    if (!reader.isObject()) throw reader.fault('WIRE_NOT_AN_OBJECT');
    return read(reader);
  } catch (error) {
    if (!(error instanceof WireFault)) throw error;
    const { message, example } = badInput(servable, error.message);
    const code = documentFaults.includes(error.code) ? 'SERVING_BAD_JSON' : 'SERVING_BAD_INPUT';
    throw new ServingError(code, message, example);
  }
}

/** @throws ServingError SERVING_BAD_SIGNATURE with TensorFlow Serving's words */
export function checkSignatureName(name: unknown): void {
  if (typeof name !== 'string') {
    throw new ServingError('SERVING_BAD_SIGNATURE', "'signature_name' key must be a string value");
  }
  if (name !== defaultSignatureName && name !== '') {
    throw new ServingError(
      'SERVING_BAD_SIGNATURE',
      `Serving signature name: "${name}" not found in signature def`,
    );
  }
}
