import { ConversionError } from '../errors.ts';
import { assemble, evaluate, kerasToTflite, readTflite, signatureOf } from '../tflite/index.ts';
import { tfliteParity } from '../tflite/parity.ts';
import type { Target } from './target.ts';

/** TFLite, which runs on phones and small devices. */
export const tfliteTarget: Target = {
  file: 'model.tflite',
  methods: {
    none: 'freeze: float32, parameters and structure in one self-contained file, training-only parts gone',
  },
  async convert({ model, where, seed }) {
    if (model.kind !== 'keras') {
      throw new ConversionError(
        'CONVERSION_UNSUPPORTED',
        `${where} is no Keras model: a .tflite file is made from Keras or TF.js sources only`,
      );
    }
    const conversion = kerasToTflite(model);
    const bytes = assemble(conversion.program);
    const signature = signatureOf(conversion.program);
    return {
      artifact: { format: 'tflite' },
      bytes,
      signature,
      parity: tfliteParity(model, conversion, bytes, signature, seed),
    };
  },
  async open(model) {
    if (typeof model === 'string') throw new Error('a .tflite file is opened from its bytes');
    const file = readTflite(model, 'model.tflite');
    return { run: async (inputs) => evaluate(file, inputs), release: async () => {} };
  },
};
