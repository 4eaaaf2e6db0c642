import { TestEnvironment } from 'jest-environment-node';

/**
 * Node's jest environment plus the outer realm's typed arrays: onnxruntime-node checks its tensors with `instanceof`,
 * and a jest sandbox has constructors of its own.
 */
export default class TypedArrayEnvironment extends TestEnvironment {
  async setup() {
    await super.setup();
    for (const type of [
      Float32Array,
      Float64Array,
      Int8Array,
      Uint8Array,
      Int16Array,
      Uint16Array,
      Int32Array,
      Uint32Array,
      BigInt64Array,
      BigUint64Array,
      Uint8ClampedArray,
      ArrayBuffer,
      SharedArrayBuffer,
      DataView,
    ]) {
      this.global[type.name] = type;
    }
  }
}
