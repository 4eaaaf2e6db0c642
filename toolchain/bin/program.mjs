// How a Pulumi program and a provider of this project start: `node --import modelmile-bin/program.mjs`.
import { createRequire, register } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { bundled, startedEntry } from '../bundle.mjs';
import '../end-with-parent.mjs';
import { checkout } from '../pulumi-environment.mjs';

const ofSdk = createRequire(createRequire(import.meta.url).resolve('@pulumi/pulumi/package.json'));

const put = (path, exports) => {
  ofSdk.cache[path] = { id: path, filename: path, loaded: true, exports, children: [], paths: [] };
};

/** A package that loads when something asks for one of its exports, or, where these are functions taken at once, calls one. */
function putOff(name, exportOf) {
  const path = ofSdk.resolve(name);
  let real;
  const load = () => {
    if (real === undefined) {
      delete ofSdk.cache[path];
      real = ofSdk(path);
    }
    return real;
  };
  // Whoever copies a module's names at once asks for __esModule first; a module of ECMAScript is taken as it is.
  const get = (_, key) => (key === '__esModule' ? true : exportOf(load, key));
  put(path, new Proxy({}, { get }));
}

const asked = (load, key) => load()[key];
const called = (load, key) =>
  new Proxy(function later() {}, {
    apply: (_, self, args) => Reflect.apply(load()[key], self, args),
    construct: (_, args) => Reflect.construct(load()[key], args),
  });

// What turns functions into text, for dynamic providers, which this project has none of, and what sends traces of Pulumi itself: most of
// the time that `import '@pulumi/pulumi'` takes, in every program and every provider.
for (const name of ['typescript', '@npmcli/arborist']) putOff(name, asked);
const tracing = [
  'exporter-zipkin',
  'instrumentation',
  'instrumentation-grpc',
  'resources',
  'sdk-trace-base',
  'sdk-trace-node',
];
for (const name of tracing) putOff(`@opentelemetry/${name}`, called);

// The SDK's own mapper of stack traces would read every source map anew for each of the many traces
// that it takes, one at least a resource.
put(ofSdk.resolve('source-map-support'), { install() {} });

// Where the entry is not this checkout's, or there is no bundle, the sources run as they are.
const entry = startedEntry();
const bundle = entry && (await bundled(entry));
if (bundle === undefined) await import('../typescript.mjs');
else {
  const source = pathToFileURL(join(checkout, entry)).href;
  const instead = `
    export const resolve = async (specifier, context, next) => {
      const found = await next(specifier, context);
      return found.url === ${JSON.stringify(source)} ? { url: ${JSON.stringify(bundle)}, format: 'module' } : found;
    };
  `;
  register(`data:text/javascript,${encodeURIComponent(instead)}`);
}
