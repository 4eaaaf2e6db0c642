import { ConversionError } from '../errors.ts';
import { type TfliteMethod, tfliteMethods } from '../tflite/methods.ts';
import { halves } from '../verify/halves.ts';
import { exactBudget } from '../verify/parity.ts';
import { readSampleRows } from '../verify/sample-rows.ts';
import { bytesOf } from '../version-files.ts';
import type { Target } from './target.ts';

const file = 'model.tflite';
/** Most conversions have no use for it. */
const load = () => import('../tflite/index.ts');

/** TFLite, which runs on phones and small devices. */
export const tfliteTarget: Target = {
  file,
  methods: Object.fromEntries(Object.entries(tfliteMethods).map(([name, { summary }]) => [name, summary])),
  async convert({ model, where, method: name, seed, budget, calibration, prune, custom }) {
    if (model.kind !== 'keras') {
      throw new ConversionError(
        'CONVERSION_UNSUPPORTED',
        `${where} is no Keras model: a .tflite file is made from Keras or TF.js sources only`,
      );
    }
    if (prune !== undefined) {
      throw new ConversionError('CONVERSION_BAD_OPTION', `prune '${prune}' is for the target onnx`);
    }
    if (Object.keys(custom).length > 0) {
      throw new ConversionError(
        'CONVERSION_BAD_OPTION',
        'layers of your own (--custom) are for the target onnx',
      );
    }
    const { assemble, kerasToTflite, signatureOf, tfliteParity } = await load();
    const conversion = kerasToTflite(model);
    const signature = signatureOf(conversion.program);
    const exactBytes = assemble(conversion.program);
    const parity = tfliteParity(model, conversion, exactBytes, signature, { seed, budget: exactBudget });
    const method: TfliteMethod = tfliteMethods[name as keyof typeof tfliteMethods];
    const files = (bytes: Uint8Array) => new Map([[file, bytes]]);
    if (method.exact) return { artifact: { format: 'tflite' }, files: files(exactBytes), signature, parity };
    const rows = calibration === undefined ? undefined : await readSampleRows(calibration, signature);
    const bytes = assemble(await method.apply(conversion.program, rows?.inputs));
    const judge = (made: Uint8Array, judging: typeof rows) =>
      tfliteParity(model, conversion, made, signature, {
        seed,
        budget,
        method: name,
        ...(judging === undefined ? {} : { rows: judging.inputs }),
      });
    const parts = method.learns && rows !== undefined ? halves(rows.inputs, signature) : undefined;
    const taught = parts && assemble(await method.apply(conversion.program, parts.teach));
    const lossy = [judge(bytes, rows), ...(taught ? [judge(taught, { inputs: parts.judge })] : [])].reduce(
      (a, b) => (b.maxRelError > a.maxRelError ? b : a),
    );
    return {
      artifact: { format: 'tflite' },
      files: files(bytes),
      signature,
      parity: lossy,
      ...(rows?.sha256 === undefined ? {} : { calibrationSha256: rows.sha256 }),
    };
  },
  async open(files) {
    const { evaluate, readTflite } = await load();
    const model = readTflite(bytesOf(files.get(file)!), file);
    return { run: async (inputs) => evaluate(model, inputs), release: async () => {} };
  },
};
