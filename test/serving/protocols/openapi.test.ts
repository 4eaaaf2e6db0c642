import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { convert, writeVersion } from '../../../conversion/index.ts';
import { fixture } from '../processing/fixtures.ts';
import { classifier, scaledSum, several, writeFixture } from '../support/models.ts';
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

const names = ['classifier', 'sum', 'several', 'credit', 'shapes'];
const ajv = new Ajv2020({ strict: false, validateFormats: false });
const modelRoot = mkdtempSync(join(tmpdir(), 'modelmile-openapi-'));
let server: TestServer;
let documents: Document[];
beforeAll(async () => {
  await writeFixture(modelRoot, 'classifier', 1, classifier);
  await writeFixture(modelRoot, 'sum', 4, scaledSum(1));
  await writeFixture(modelRoot, 'several', 1, several);
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
  });

  it('has an OpenAPI 3.1 document for each model and no other', async () => {
    expect(documents.map(({ openapi, info }) => [openapi, info.title, info.version])).toEqual([
      ['3.1.0', 'classifier', '1'],
      ['3.1.0', 'sum', '4'],
      ['3.1.0', 'several', '1'],
      ['3.1.0', 'credit', '1'],
      ['3.1.0', 'shapes', '1'],
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
