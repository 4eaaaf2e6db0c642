// How a Pulumi program and a provider of this project start: `node --import modelmile-bin/program.mjs`.
import { createRequire } from 'node:module';
import '../end-with-parent.mjs';
import '../typescript.mjs';

const ofSdk = createRequire(createRequire(import.meta.url).resolve('@pulumi/pulumi/package.json'));

// What the SDK loads to turn functions into text, for dynamic providers, which this project has none of: two thirds of the time that
// `import '@pulumi/pulumi'` takes, in every program and every provider. It comes when something asks for it.
for (const name of ['typescript', '@npmcli/arborist']) {
  const path = ofSdk.resolve(name);
  const load = () => {
    delete ofSdk.cache[path];
    return ofSdk(path);
  };
  let real;
  const exports = new Proxy(
    {},
    {
      get(_, key) {
        // Whoever copies a module's names at once asks for this first; a module of ECMAScript is taken as it is.
        if (key === '__esModule') return true;
        real ??= load();
        return real[key];
      },
    },
  );
  ofSdk.cache[path] = { id: path, filename: path, loaded: true, exports, children: [], paths: [] };
}

// tsx has stack traces in terms of the sources already; the SDK's own mapper would read every source map anew for each of the many traces
// that it takes, one at least a resource.
const mapper = ofSdk.resolve('source-map-support/register');
ofSdk.cache[mapper] = { id: mapper, filename: mapper, loaded: true, exports: {}, children: [], paths: [] };
