// The service of this checkout: `node toolchain/bin/serve.mjs --settings FILE` (serving/main.ts).
import { bundled, keepForThisProcess } from '../bundle.mjs';

const entry = 'serving/main.ts';
const bundle = await bundled(entry);
if (bundle !== undefined) keepForThisProcess(bundle);
else {
  await import('../typescript.mjs');
  // Workers start with what their supervisor started with.
  process.execArgv.push('--import', new URL('../typescript.mjs', import.meta.url).href);
}
await import(bundle ?? new URL(`../../${entry}`, import.meta.url).href);
