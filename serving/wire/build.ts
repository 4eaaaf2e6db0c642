import { mkdir, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import asc from 'assemblyscript/asc';

const here = new URL('./', import.meta.url);

/** Compiles `assembly/` and answers the module's text, which `npx tsx serving/wire/build.ts` writes into `generated/`. */
export async function compileAssembly(): Promise<string> {
  let wasm: Uint8Array | undefined;
  const { error, stderr } = await asc.main(
    [
      'index.ts',
      '--baseDir',
      fileURLToPath(new URL('assembly/', here)),
      '--config',
      'none',
      '--outFile',
      'scanner.wasm',
      '-O3',
      '--noAssert',
      '--runtime',
      'stub',
      '--enable',
      'simd',
      '--use',
      'abort=',
    ],
    {
      writeFile: (name, contents) => {
        if (name.endsWith('.wasm')) wasm = contents as Uint8Array;
      },
    },
  );
  if (error || !wasm)
    throw new Error(`the assembly does not compile: ${error?.message}\n${stderr.toString()}`);
  const base64 = Buffer.from(wasm).toString('base64');
  return `/** serving/wire/assembly as WebAssembly, made by serving/wire/build.ts. */\nexport const scannerWasm =\n  '${base64}';\n`;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await mkdir(new URL('generated/', here), { recursive: true });
  await writeFile(new URL('generated/scanner-wasm.ts', here), await compileAssembly());
}
