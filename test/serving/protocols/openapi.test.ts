import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { convert, writeVersion } from '../../../conversion/index.ts';
import type { Servable } from '../../../serving/engine/servable.ts';
import { originOf } from '../../../serving/protocols/openapi/curl.ts';
import { documentationPage } from '../../../serving/protocols/openapi/page.ts';
import { fixture } from '../processing/fixtures.ts';
import { classifier, manyValues, scaledSum, several, writeFixture } from '../support/models.ts';
import { ask } from '../support/requests.ts';
import { startServer, type TestServer } from '../support/server.ts';

interface Operation {
  readonly operationId: string;
  readonly requestBody?: { content: { 'application/json': { schema: object; example: unknown } } };
  readonly responses: Record<string, { content: { 'application/json': { schema: object } } }>;
}
interface Document {
  readonly openapi: string;
  readonly info: { title: string; version: string };
  readonly paths: Record<string, Record<string, Operation>>;
}

const names = ['classifier', 'sum', 'several', 'credit', 'shapes', 'many'];
const ajv = new Ajv2020({ strict: false, validateFormats: false });
const modelRoot = mkdtempSync(join(tmpdir(), 'modelmile-openapi-'));
let server: TestServer;
let documents: Document[];
beforeAll(async () => {
  await writeFixture(modelRoot, 'classifier', 1, classifier);
  await writeFixture(modelRoot, 'sum', 4, scaledSum(1));
  await writeFixture(modelRoot, 'several', 1, several);
  await writeFixture(modelRoot, 'many', 1, manyValues);
  for (const name of ['credit', 'shapes']) {
    await writeVersion(await convert(fixture(`${name}.h5`)), join(modelRoot, name, '1'));
  }
  server = await startServer({}, { modelRoot });
  documents = await Promise.all(
    names.map(async (name) => (await ask(`${server.rest}/docs/${name}`)).json as Document),
  );
});
afterAll(async () => {
  await server?.stop();
  rmSync(modelRoot, { recursive: true, force: true });
});

/** The lines for a shell that a page shows, as they are copied from it. */
const commandsOf = (page: string): string[] =>
  [...page.matchAll(/<pre>([^<]*)<\/pre>/g)].map(([, text = '']) =>
    text
      .replaceAll('&lt;', '<')
      .replaceAll('&gt;', '>')
      .replaceAll('&quot;', '"')
      .replaceAll('&#39;', "'")
      .replaceAll('&amp;', '&'),
  );

const operations = () =>
  documents.flatMap((document) =>
    Object.entries(document.paths).flatMap(([path, methods]) =>
      Object.entries(methods).map(([method, operation]) => ({
        path,
        method: method.toUpperCase(),
        operation,
      })),
    ),
  );

describe('/docs', () => {
  it('is a page that lists every model with a link to its document', async () => {
    const page = await ask(`${server.rest}/docs`);
    expect(page.headers.get('content-type')).toContain('text/html');
    for (const name of names) expect(page.text).toContain(`href="/docs/${name}"`);
    expect(page.text).not.toContain('<script');
    // It shows the address that it was asked for under.
    expect(page.headers.get('cache-control')).toBe('no-store');
    expect(page.headers.get('content-security-policy')).toBe("default-src 'none'");
  });

  it('has for every model a line that works when it is pasted into a shell, however large its inputs are', async () => {
    const page = await ask(`${server.rest}/docs`);
    const lines = commandsOf(page.text);
    expect(lines).toHaveLength(names.length);
    for (const line of lines) {
      expect(line.length).toBeLessThan(700);
      const said = execFileSync('sh', ['-c', line], { encoding: 'utf8', stdio: 'pipe' });
      expect([line, Object.keys(JSON.parse(said))]).toEqual([line, ['predictions']]);
    }
    const example = await ask(`${server.rest}/docs/many/example`);
    expect(example.json).toEqual({ instances: [Array(784).fill(0)] });
    expect((await ask(`${server.rest}/docs/nope/example`)).status).toBe(404);
  });

  it('shows the address that it was asked for under, and never what is none', () => {
    for (const host of ['127.0.0.1:8501', 'models.example.com', '[::1]:80', 'LOCALHOST', 'model_server:1'])
      expect(originOf('https', host)).toBe(`https://${host}`);
    for (const host of [
      undefined,
      '',
      'localhost"><script>alert(1)</script>',
      "localhost'; rm -rf ~; '",
      'a b',
      '$(id)',
      'a\\b',
      'user@host',
      'host/path',
      'host:port',
      '-o',
    ])
      expect([host, originOf('http', host)]).toEqual([host, 'http://HOST:PORT']);
  });

  it('keeps names that mean something to HTML or a shell from meaning it', () => {
    const hostile = `a'"<img src=x>$(id)`;
    const signature = {
      inputs: [{ name: hostile, dtype: 'float32', shape: [-1] }],
      outputs: [{ name: hostile, dtype: 'float32', shape: [-1] }],
    };
    const column = { features: [{ name: hostile, kind: 'number', mean: 0 }] };
    const servable = {
      model: hostile,
      version: 1,
      signature,
      manifest: { preprocessing: { [hostile]: column } },
    } as unknown as Servable;
    const page = documentationPage([servable], { origin: 'http://[::1]:80', isWithKey: true });
    expect(page).not.toContain('<img');
    const [line = ''] = commandsOf(page);
    const words = execFileSync('sh', ['-c', `KEY=secret; curl() { printf '%s\\n' "$@"; }; ${line}`], {
      encoding: 'utf8',
    });
    expect(words.trim().split('\n')).toEqual([
      '-X',
      'POST',
      `http://[::1]:80/v1/models/${encodeURIComponent(hostile)}:predict`,
      '-H',
      'authorization: Bearer secret',
      '-H',
      'content-type: application/json',
      '-d',
      JSON.stringify({ instances: [{ [hostile]: 0 }] }),
    ]);
  });

  it('has an OpenAPI 3.1 document for each model and no other', async () => {
    expect(documents.map(({ openapi, info }) => [openapi, info.title, info.version])).toEqual([
      ['3.1.0', 'classifier', '1'],
      ['3.1.0', 'sum', '4'],
      ['3.1.0', 'several', '1'],
      ['3.1.0', 'credit', '1'],
      ['3.1.0', 'shapes', '1'],
      ['3.1.0', 'many', '1'],
    ]);
    expect((await ask(`${server.rest}/docs/nope`)).status).toBe(404);
    expect((await ask(`${server.rest}/docs/sum`, {})).status).toBe(405);
  });

  it('offers classify and regress to models that give classes or values only', () => {
    const verbs = documents.map(({ paths }) =>
      Object.keys(paths).filter((path) => /:(classify|regress)$/.test(path)),
    );
    expect(verbs).toEqual([
      ['/v1/models/classifier:classify'],
      ['/v1/models/sum:classify', '/v1/models/sum:regress'],
      [],
      ['/v1/models/credit:classify'],
      ['/v1/models/shapes:classify'],
      ['/v1/models/many:classify'],
    ]);
  });

  it('gives examples that fit their own schemas, and that the server answers as documented', async () => {
    for (const { path, method, operation } of operations()) {
      const body = operation.requestBody?.content['application/json'];
      if (body)
        expect([path, ajv.validate(body.schema, body.example), ajv.errorsText()]).toEqual([
          path,
          true,
          'No errors',
        ]);
      const answer = await ask(server.rest + path, body?.example, { method });
      const documented = operation.responses[String(answer.status)];
      expect([path, answer.status, documented !== undefined]).toEqual([
        path,
        operation.operationId === 'feedback' ? 404 : 200,
        true,
      ]);
      const { schema } = documented!.content['application/json'];
      expect([path, ajv.validate(schema, answer.json), ajv.errorsText()]).toEqual([path, true, 'No errors']);
    }
  });

  it('has schemas that refuse what the server refuses', async () => {
    const broken: [string, unknown][] = [
      ['/v1/models/sum:predict', { instances: [[1, 2, 3]] }],
      ['/v1/models/sum:predict', { instances: [] }],
      ['/v1/models/sum:predict', { instances: [['1', 2]] }],
      ['/v1/models/sum:predict', {}],
      ['/v1/models/several:predict', { instances: [{ a: [1, 2], b: [1.5, 2], t: 'x' }] }],
      ['/v1/models/classifier:classify', { examples: [{ x: [1] }] }],
      ['/v2/models/sum/infer', { inputs: [{ name: 'x', datatype: 'INT32', shape: [1, 2], data: [1, 2] }] }],
      ['/v1/models/sum:feedback', { predictionId: 'x' }],
      ['/v1/models/credit:predict', { instances: [{ age: 'old', income: 1, home: 'own', plan: 3 }] }],
      ['/v1/models/credit:predict', { instances: [{ age: 30, home: 'own', plan: 3 }] }],
      ['/v1/models/credit:predict', { instances: [{ income: 1, home: 'own', plan: 4 }] }],
      ['/v1/models/shapes:predict', { instances: [{ picture: 'disc' }] }],
    ];
    for (const [path, body] of broken) {
      const { operation } = operations().find((each) => each.path === path && each.method === 'POST')!;
      const { schema } = operation.requestBody!.content['application/json'];
      expect([path, body, ajv.validate(schema, body)]).toEqual([path, body, false]);
      expect([path, body, (await ask(server.rest + path, body)).status]).toEqual([path, body, 400]);
    }
  });
});
