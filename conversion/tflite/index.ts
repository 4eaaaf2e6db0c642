/** TFLite: a Keras model as a .tflite file, and such a file read back and run by its operators' definitions. */
export { assemble } from './assemble.ts';
export { kerasToTflite, type TfliteConversion } from './from-keras.ts';
export { tfliteLayers } from './layers/index.ts';
