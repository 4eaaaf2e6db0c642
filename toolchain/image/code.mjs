// `node code.mjs <checkout> <out>`: the server as JavaScript in <out>/app, and in <out>/packages the part of package.json and
// package-lock.json that it needs. Node strips the types by itself: no compiler takes part. Where Node is older than 22.13, which no
// image is, tsx's compiler does: the bench runs what the image has on the same Node as its floor.
import { copyFileSync, cpSync, existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import module from 'node:module';
import { basename, dirname, join } from 'node:path';
import { closure } from './lockfile.mjs';

const [checkout, out] = process.argv.slice(2);
const app = join(out, 'app');

function typesTakenOut() {
  const require = module.createRequire(import.meta.url);
  const { transformSync } = module.createRequire(require.resolve('tsx/package.json'))('esbuild');
  return (code) => transformSync(code, { loader: 'ts', target: 'node20' }).code;
}
const withoutTypes = module.stripTypeScriptTypes ?? typesTakenOut();
const packages = new Set();
const taken = new Set();

/** What a file imports, starts as another process, or reads from beside itself. */
const mentioned = (code) =>
  [...code.matchAll(/(?:from |import |import\(|new URL\()['"]([^'"]+)['"]/g)].map(([, name]) => name);
const packageOf = (name) =>
  name
    .split('/')
    .slice(0, name.startsWith('@') ? 2 : 1)
    .join('/');

/** A file (path from the checkout) with everything that it leads to. */
function take(path) {
  if (taken.has(path)) return;
  taken.add(path);
  const [from, to] = [join(checkout, path), join(app, path)];
  mkdirSync(dirname(to), { recursive: true });
  if (statSync(from).isDirectory()) cpSync(from, to, { recursive: true });
  else if (path.endsWith('.mjs') && existsSync(from.replace(/\.mjs$/, '.ts'))) {
    // Starts a thread's code with a loader, where that is TypeScript.
    writeFileSync(to, `import './${basename(path, '.mjs')}.js';\n`);
    take(path.replace(/\.mjs$/, '.ts'));
  } else if (!path.endsWith('.ts')) copyFileSync(from, to);
  else {
    const code = withoutTypes(readFileSync(from, 'utf8'));
    writeFileSync(to.replace(/\.ts$/, '.js'), code.replace(/(['"])(\.{1,2}\/[^'"\n]+)\.ts\1/g, '$1$2.js$1'));
    for (const name of mentioned(code)) {
      if (name.startsWith('.')) take(join(dirname(path), name));
      else if (!name.startsWith('node:')) packages.add(packageOf(name));
    }
  }
}
take('serving/main.ts');

const json = (name) => JSON.parse(readFileSync(join(checkout, name), 'utf8'));
const { name, version, license, dependencies } = json('package.json');
const wanted = Object.fromEntries([...packages].sort().map((one) => [one, dependencies[one]]));
const manifest = { name, version, license, private: true, type: 'module', dependencies: wanted };
mkdirSync(join(out, 'packages'), { recursive: true });
const write = (path, value) => writeFileSync(path, `${JSON.stringify(value, null, 2)}\n`);
write(join(app, 'package.json'), manifest);
write(join(out, 'packages', 'package.json'), manifest);
write(join(out, 'packages', 'package-lock.json'), closure(json('package-lock.json'), manifest));
