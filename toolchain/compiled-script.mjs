// A script with what V8 compiled of it the last time: to compile it anew takes a small command a fifth of its processor time. Node's own
// cache (module.enableCompileCache) came with 22.1, and a module has no other.
import { readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';
import { cachedDataVersionTag } from 'node:v8';
import { Script } from 'node:vm';
import { crc32 } from 'node:zlib';
import { writeWhole } from './write-whole.mjs';

/** Of the bytes before it: V8 looks at their head alone, and damaged ones would end the process. */
const checksumBytes = 4;

/** @returns undefined where nothing sound is kept */
function read(path) {
  try {
    const file = readFileSync(path);
    const data = file.subarray(0, -checksumBytes);
    return file.readUInt32LE(data.length) === crc32(data) ? data : undefined;
  } catch {
    return undefined;
  }
}

function keep(path, data) {
  const checksum = Buffer.alloc(checksumBytes);
  checksum.writeUInt32LE(crc32(data));
  try {
    writeWhole(path, (unfinished) => writeFileSync(unfinished, Buffer.concat([data, checksum])));
  } catch {
    // Where nothing can be written, it is compiled each time.
  }
}

/**
 * Runs a script, the expression of a function (require, exports, module, its URL, import); its functions are kept beside it as far as they
 * have been called when the process ends well. What V8 has kept has lost who loads modules for it, so that `import()` is handed in.
 * @param use what it is run for: each calls other functions
 * @returns its exports
 */
export function runCompiled(path, use) {
  // Another release of V8, or one with other flags, takes none of this.
  const keptAt = `${path}.${use}-${cachedDataVersionTag()}`;
  const cachedData = read(keptAt);
  const script = new Script(readFileSync(path, 'latin1'), {
    filename: path,
    cachedData,
  });
  if (script.cachedDataRejected !== false)
    process.once('exit', (code) => {
      if (code === 0) keep(keptAt, script.createCachedData());
    });
  const module = { exports: {} };
  const importModule = (specifier) => import(specifier);
  script.runInThisContext()(
    createRequire(path),
    module.exports,
    module,
    pathToFileURL(path).href,
    importModule,
  );
  return module.exports;
}
