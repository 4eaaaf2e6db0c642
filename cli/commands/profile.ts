import { writeFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { convert, profileOf } from '../../conversion/index.ts';
import { type Command, exitCodes } from '../command.ts';
import { conversionOptions, readConversionOptions } from '../conversion-options.ts';
import { endOn } from '../interrupt.ts';

export const profile: Command = {
  usage: '<model> [--out FILE] [--method NAME]',
  details:
    'Converts behind the parity gate and measures the result on this machine: load time, memory, time of a batch. Commit the file and name it as `profile` in a stack: then sizing rests on it.',
  examples: [
    'modelmile profile samples/digits/model.h5 --labels samples/digits/heldout.npz --out samples/digits/profile.json',
  ],
  minPositionals: 1,
  maxPositionals: 1,
  options: {
    out: { type: 'string', value: 'FILE', help: 'where to write profile.json (default: print only)' },
    ...conversionOptions,
  },
  async run({ positionals, options, terminal, signal }) {
    endOn(signal);
    const how = await readConversionOptions(options);
    const conversion = await convert(resolve(positionals[0] as string), how);
    const measured = await profileOf(conversion);
    const [device] = measured.devices;
    terminal.line(
      `${device!.device}, onnxruntime ${device!.onnxruntime}, one thread: loads in ${device!.loadMs} ms`,
    );
    for (const { batch, p50Ms, p95Ms } of device!.latency) {
      terminal.line(
        `  batch ${String(batch).padStart(3)}   p50 ${p50Ms.toFixed(4)} ms   p95 ${p95Ms.toFixed(4)} ms`,
      );
    }
    if (typeof options['out'] === 'string') {
      await writeFile(resolve(options['out']), `${JSON.stringify(measured, null, 2)}\n`);
      terminal.line(options['out']);
    }
    terminal.document(measured);
    return exitCodes.ok;
  },
};
