/** TFLite: a Keras model as a .tflite file, and such a file read back and run by its operators' definitions. */
export { assemble } from './assemble.ts';
export { evaluate, isKnownOperator } from './evaluate/index.ts';
export { kerasToTflite } from './from-keras.ts';
export { tfliteParity } from './parity.ts';
export { readTflite } from './read.ts';
export { signatureOf } from './signature.ts';
