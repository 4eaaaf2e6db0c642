/**
 * `npx tsx bench/conversion/main.ts [--python PATH] [--runs N]`: conversion beside the official path, int8 beside
 * onnxruntime.quantization, and the digits by every method. Writes docs/reports/conversion-bench.json and the page drawn from it.
 */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { availableParallelism, cpus, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { type CommandRow, compareCommands, nodeAlone } from './commands.ts';
import { digitsByMethod } from './digits.ts';
import { type Figures, figuresFile } from './figures.ts';
import { writePage } from './page.ts';
import { compareQuantizers, type QuantizerRow } from './quantizers.ts';

const checkout = fileURLToPath(new URL('../../', import.meta.url));
const { values: options } = parseArgs({
  options: {
    python: { type: 'string', default: join(checkout, '.modelmile/peers/conversion/bin/python') },
    runs: { type: 'string', default: '3' },
  },
});
const python = options.python;
const runs = Number(options.runs);
const say = (text: string) => process.stderr.write(`${text}\n`);
if (!existsSync(python)) {
  say(`${python} is not there: sh bench/conversion/peers/install.sh`);
  process.exit(77);
}

const converted = ['mlp', 'wide-mlp', 'mobilenet-v2', 'resnet50'];
const quantized = [
  ['wide-mlp', 'dynamic-int8'],
  ['wide-mlp', 'static-int8'],
  ['small-cnn', 'static-int8'],
  ['mobilenet-v2', 'static-int8'],
  ['resnet50', 'static-int8'],
] as const;

const folder = await mkdtemp(join(tmpdir(), 'modelmile-bench-conversion-'));
try {
  const models = join(folder, 'models');
  const script = fileURLToPath(new URL('./peers/make_models.py', import.meta.url));
  if (spawnSync(python, [script, models], { stdio: ['ignore', 2, 'ignore'] }).status !== 0)
    throw new Error('the models could not be made');
  const commands: CommandRow[] = [];
  for (const model of converted) {
    const seen = compareCommands(python, models, model, folder, runs);
    commands.push(seen);
    say(
      `${model}: ${seen.ours.cpuSeconds.toFixed(2)} s of CPU, official ${seen.official.cpuSeconds.toFixed(2)} s`,
    );
  }
  const quantizers: QuantizerRow[] = [];
  for (const [model, method] of quantized) {
    const seen = await compareQuantizers(python, models, model, method, folder);
    quantizers.push(seen);
    say(
      `${model} ${method}: ${seen.ours.oneRowMs.toFixed(3)} ms, theirs ${seen.theirs.oneRowMs.toFixed(3)} ms`,
    );
  }
  const figures: Figures = {
    command: `npx tsx bench/conversion/main.ts --runs ${runs}`,
    commit: spawnSync('git', ['rev-parse', '--short', 'HEAD'], { encoding: 'utf8' }).stdout.trim(),
    machine: `${cpus()[0]?.model.trim()}, ${availableParallelism()} cores, Node ${process.versions.node}`,
    loadAverage: loadavg()[0] ?? 0,
    runs,
    nodeAlone: nodeAlone(python),
    commands,
    quantizers,
    digits: await digitsByMethod(),
  };
  await writeFile(figuresFile, `${JSON.stringify(figures, null, 2)}\n`);
  await writePage(figures);
} finally {
  await rm(folder, { recursive: true, force: true });
}
