import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import type { DataPlane } from './dataplane.ts';
import { ServingError } from './errors.ts';
import type { RestRequest, RestResponse } from './protocols/protocol.ts';

/** Throughput and latency of the last minutes, from the supervisor. */
export type ConsoleHistory = () => Promise<unknown>;

/** The files of the page, by content type; nothing else is read from disk. */
const files = {
  'text/html; charset=utf-8': ['index.html'],
  'text/css; charset=utf-8': ['console.css'],
  'text/javascript; charset=utf-8': [
    'charts.js',
    'client.js',
    'console.js',
    'digit-pad.js',
    'digit-view.js',
    'form-view.js',
    'pen-paths.js',
    'signature.js',
    'words.js',
  ],
} as const;

interface Asset {
  readonly file: string;
  readonly type: string;
}

const assets: ReadonlyMap<string, Asset> = new Map(
  Object.entries(files).flatMap(([type, names]) =>
    names.flatMap((file): [string, Asset][] => {
      const paths = file === 'index.html' ? ['/console', '/console/'] : [`/console/${file}`];
      return paths.map((path) => [path, { file, type }]);
    }),
  ),
);

const contentSecurityPolicy =
  "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const folder = fileURLToPath(new URL('./console/', import.meta.url));

function models(dataPlane: DataPlane): unknown[] {
  return dataPlane.modelNames().map((name) => {
    const { version, digest, manifest, signature } = dataPlane.look({ model: name });
    return { name, version, digest, accuracy: manifest.accuracy, ...signature, labels: manifest.labels };
  });
}

export const isConsolePath = (path: string): boolean => path === '/console' || path.startsWith('/console/');

/** `/console` and what the page asks for. @throws ServingError SERVING_NO_ROUTE, SERVING_METHOD_NOT_ALLOWED */
export async function answerConsole(
  request: RestRequest,
  dataPlane: DataPlane,
  stats: ConsoleHistory,
): Promise<RestResponse> {
  if (request.method !== 'GET')
    throw new ServingError('SERVING_METHOD_NOT_ALLOWED', 'The console answers GET');
  if (request.path === '/console/api/stats') {
    const body = JSON.stringify({ series: await stats(), models: models(dataPlane) });
    return { status: 200, headers: { 'content-type': 'application/json' }, body, verb: 'console' };
  }
  const asset = assets.get(request.path);
  if (asset === undefined) throw new ServingError('SERVING_NO_ROUTE', `There is nothing at ${request.path}`);
  return {
    status: 200,
    headers: {
      'content-type': asset.type,
      'content-security-policy': contentSecurityPolicy,
      'referrer-policy': 'no-referrer',
    },
    body: await readFile(`${folder}${asset.file}`),
    verb: 'console',
  };
}
