// How the project's TypeScript runs: `node --import ./toolchain/typescript.mjs <entry>.ts`.
import { register } from 'node:module';
import 'tsx';

// h5wasm is 4 MB of text that is JavaScript already: compiled anew in every process, it would take over a second of each command.
const asItIs = `
  import { readFile } from 'node:fs/promises';
  export const load = async (url, context, next) =>
    url.includes('/node_modules/h5wasm/')
      ? { format: 'module', source: await readFile(new URL(url)), shortCircuit: true }
      : next(url, context);
`;
register(`data:text/javascript,${encodeURIComponent(asItIs)}`);
