import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, it } from '@jest/globals';

/** Multiplies by 2 with 8 MB of weights, which go through a file, and prints what the session answers. */
const program = `
  import { GraphBuilder } from './conversion/onnx/index.ts';
  import { openModel, runSession, runtimeTensor } from './conversion/verify/session.ts';
  const graph = new GraphBuilder();
  const spec = { name: 'x', dtype: 'float32', shape: [1, 2 ** 21] };
  const x = graph.input(spec.name, spec.dtype, spec.shape);
  const two = graph.constant('two', 'float32', spec.shape, new Float32Array(2 ** 21).fill(2));
  graph.output('y', graph.node('Mul', [x, two], { name: 'product', shape: spec.shape }));
  const model = graph.build('doubling');
  process.env.TMPDIR = '/there/is/none';
  const session = await openModel(model);
  const feeds = { x: runtimeTensor(spec, spec.shape, new Float32Array(2 ** 21).fill(3)) };
  const [{ data }] = await runSession(session, feeds, ['y']);
  console.log(data.at(-1));
  await session.release();
`;

it('a large model is checked where the temporary folder takes no file', async () => {
  // The temporary folder is the process's.
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ['--import', './toolchain/typescript.mjs', '--input-type=module', '--eval', program],
    { cwd: fileURLToPath(new URL('../..', import.meta.url)) },
  );
  expect(stdout).toBe('6\n');
});
