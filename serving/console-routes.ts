import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import type { DataPlane } from './dataplane.ts';
import { ServingError } from './errors.ts';
import type { RestRequest, RestResponse } from './protocols/protocol.ts';

/** Throughput and latency of the last minutes, from the supervisor. */
export type ConsoleStats = () => Promise<unknown>;

/** The files of the page; nothing else is read from disk. */
const assets: Readonly<Record<string, { file: string; type: string }>> = {
  '/console': { file: 'index.html', type: 'text/html; charset=utf-8' },
  '/console/': { file: 'index.html', type: 'text/html; charset=utf-8' },
  '/console/console.js': { file: 'console.js', type: 'text/javascript; charset=utf-8' },
  '/console/charts.js': { file: 'charts.js', type: 'text/javascript; charset=utf-8' },
  '/console/drawing.js': { file: 'drawing.js', type: 'text/javascript; charset=utf-8' },
  '/console/text.js': { file: 'text.js', type: 'text/javascript; charset=utf-8' },
  '/console/console.css': { file: 'console.css', type: 'text/css; charset=utf-8' },
};

const contentSecurityPolicy =
  "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const folder = fileURLToPath(new URL('./console/', import.meta.url));

function models(dataPlane: DataPlane): unknown[] {
  return dataPlane.modelNames().flatMap((name) => {
    const latest = [...dataPlane.model(name).versions.values()].at(-1);
    if (latest === undefined) return [];
    const { version, digest, manifest, signature } = latest;
    return [{ name, version, digest, accuracy: manifest.accuracy, ...signature, labels: manifest.labels }];
  });
}

export const isConsolePath = (path: string): boolean => path === '/console' || path.startsWith('/console/');

/** `/console` and what the page asks for. @throws ServingError SERVING_NO_ROUTE, SERVING_METHOD_NOT_ALLOWED */
export async function answerConsole(
  request: RestRequest,
  dataPlane: DataPlane,
  stats: ConsoleStats,
): Promise<RestResponse> {
  if (request.method !== 'GET')
    throw new ServingError('SERVING_METHOD_NOT_ALLOWED', 'The console answers GET');
  if (request.path === '/console/api/stats') {
    const body = JSON.stringify({ series: await stats(), models: models(dataPlane) });
    return { status: 200, headers: { 'content-type': 'application/json' }, body, verb: 'console' };
  }
  const asset = assets[request.path];
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
