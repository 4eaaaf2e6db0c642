import { mkdir, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { bars } from '../bars.ts';
import type { Used } from './commands.ts';
import { type Figures, targets } from './figures.ts';
import type { Quantized } from './quantizers.ts';

const docs = fileURLToPath(new URL('../../docs/', import.meta.url));
const megabytes = (bytes: number) => `${(bytes / 1e6).toFixed(bytes < 1e7 ? 2 : 0)} MB`;
const seconds = (value: number) => `${value.toFixed(2)} s`;
const row = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;

const used = ({ cpuSeconds, wallSeconds, peakBytes }: Used) => [
  seconds(cpuSeconds),
  seconds(wallSeconds),
  megabytes(peakBytes),
];

const quantized = ({ sizeBytes, error, oneRowMs, sixteenRowsMs }: Quantized) => [
  megabytes(sizeBytes),
  `${(100 * error).toFixed(2)} %`,
  oneRowMs.toFixed(3),
  sixteenRowsMs.toFixed(2),
];

/** The pictures, by their file names below docs/pictures. */
export function pictures({ commands, quantizers }: Figures): Record<string, string> {
  return {
    'conversion-cpu.svg': bars(
      'CPU seconds of a conversion, from cold; less is better',
      commands.flatMap(({ model, ours, official }) => [
        {
          label: `${model}, modelmile`,
          value: ours.cpuSeconds,
          text: seconds(ours.cpuSeconds),
          isOurs: true,
        },
        {
          label: `${model}, official`,
          value: official.cpuSeconds,
          text: seconds(official.cpuSeconds),
          isOurs: false,
        },
      ]),
    ),
    'conversion-int8.svg': bars(
      'Speed of int8 against float32, one row; more is better',
      quantizers.flatMap(({ model, method, float, ours, theirs }) =>
        [
          { who: 'modelmile', one: ours, isOurs: true },
          { who: 'onnxruntime', one: theirs, isOurs: false },
        ].map(({ who, one, isOurs }) => ({
          label: `${model} ${method.replace('-int8', '')}, ${who}`,
          value: float.oneRowMs / one.oneRowMs,
          text: `${(float.oneRowMs / one.oneRowMs).toFixed(1)} times`,
          isOurs,
        })),
      ),
    ),
  };
}

/** docs/conversion-bench.md, drawn from the figures alone. */
export function page(figures: Figures): string {
  const judged = targets(figures).map(({ what, wanted, seen, isCeiling }) => {
    const isReached = isCeiling ? seen <= wanted : seen >= wanted;
    return row([
      what,
      `${isCeiling ? 'at most' : 'at least'} ${wanted}`,
      seen.toFixed(2),
      isReached ? 'reached' : 'missed',
    ]);
  });
  return `${[
    '# Conversion, measured side by side',
    '',
    'Written by `bench/conversion`; do not edit. One run, the same models (random weights, batch normalization with the statistics of what flows through it), every command a process of its own that starts cold.',
    '',
    '```sh',
    'sh bench/conversion/peers/install.sh',
    figures.command,
    '```',
    '',
    `${figures.machine}; commit ${figures.commit}; load average at the end ${figures.loadAverage.toFixed(1)}. The best of ${figures.runs} runs of each command, in turns, all without \`NODE_EXTRA_CA_CERTS\`, whose certificates Node reads at each start; Node alone takes ${seconds(figures.nodeAlone.cpuSeconds)} of CPU time and ${megabytes(figures.nodeAlone.peakBytes)}.`,
    '',
    '| target | wanted | seen | |',
    '|---|---|---|---|',
    ...judged,
    '',
    '## From Keras to ONNX',
    '',
    'The official path is TensorFlow 2.21 with tf2onnx 1.17 through Keras 3.15’s `model.export(format="onnx")`, which checks nothing; ours has the parity gate in it.',
    '',
    '![CPU seconds of a conversion](pictures/conversion-cpu.svg)',
    '',
    '| model | source | CPU | wall | peak memory | `npx` wall | official CPU | official wall | official peak |',
    '|---|---|---|---|---|---|---|---|---|',
    ...figures.commands.map(({ model, sourceBytes, ours, npx, official }) =>
      row([model, megabytes(sourceBytes), ...used(ours), seconds(npx.wallSeconds), ...used(official)]),
    ),
    '',
    '## int8',
    '',
    'onnxruntime.quantization 1.32 as its documentation advises (pre-processing, per channel, QDQ with uint8 activations), on our float32 model with the same 16 rows; error is the root mean square by which 16 other rows’ answers move, as a share of theirs. Times are medians on onnxruntime-node, one thread, all files in turns.',
    '',
    '![Speed of int8 against float32](pictures/conversion-int8.svg)',
    '',
    '| model | method | by | size | error | one row, ms | 16 rows, ms |',
    '|---|---|---|---|---|---|---|',
    ...figures.quantizers.flatMap(({ model, method, float, ours, theirs }) => [
      row([model, 'float32', '', ...quantized(float)]),
      row([model, method, 'modelmile', ...quantized(ours)]),
      row([model, method, 'onnxruntime', ...quantized(theirs)]),
    ]),
    '',
    '## The digits by every method',
    '',
    'What `modelmile convert samples/digits/model.h5 --method auto --labels samples/digits/heldout.npz --budget accuracy:0.5` measures and chooses from.',
    '',
    '| method | size | one row, ms | accuracy | |',
    '|---|---|---|---|---|',
    ...figures.digits.map(({ method, sizeBytes, oneRowMs, accuracy, isChosen, why }) =>
      row([
        method,
        sizeBytes === undefined ? '' : `${sizeBytes} bytes`,
        oneRowMs?.toFixed(3) ?? '',
        accuracy === undefined ? '' : `${(100 * accuracy).toFixed(2)} %`,
        isChosen ? 'chosen' : (why ?? ''),
      ]),
    ),
  ].join('\n')}\n`;
}

export async function writePage(figures: Figures): Promise<void> {
  await mkdir(`${docs}pictures`, { recursive: true });
  for (const [name, svg] of Object.entries(pictures(figures)))
    await writeFile(`${docs}pictures/${name}`, svg);
  await writeFile(`${docs}conversion-bench.md`, page(figures));
}
