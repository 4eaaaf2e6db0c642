import { layers } from '../../conversion/layers/index.ts';
import { tfliteLayers } from '../../conversion/tflite/layers/index.ts';

/** The layers that convert, as the page shows them. */
export function layerTable(): string {
  const rows = Object.keys(layers)
    .sort()
    .map((name) => `| ${name} | yes | ${Object.hasOwn(tfliteLayers, name) ? 'yes' : 'no'} |`);
  return ['| Keras class | ONNX | TFLite |', '|---|---|---|', ...rows].join('\n');
}
