import type { DataPlane } from '../../dataplane.ts';
import { ServingError } from '../../errors.ts';
import { exampleRow } from '../../example.ts';
import { decodeSegment } from '../path.ts';
import type { RestProtocol, RestRequest, RestResponse } from '../protocol.ts';
import { originOf } from './curl.ts';
import { openApiDocument } from './document.ts';
import { documentationPage } from './page.ts';

const pathPattern = /^\/docs(?:\/([^/]+)(\/example)?)?\/?$/;

function answer(
  [, model, example]: RegExpExecArray,
  request: RestRequest,
  dataPlane: DataPlane,
): RestResponse {
  if (request.method !== 'GET') {
    throw new ServingError('SERVING_METHOD_NOT_ALLOWED', `${request.path} answers GET`);
  }
  if (model === undefined) {
    const servables = dataPlane.modelNames().map((name) => dataPlane.look({ model: name }));
    const headers = {
      'content-type': 'text/html; charset=utf-8',
      'content-security-policy': "default-src 'none'",
    };
    const place = {
      origin: originOf(dataPlane.scheme, request.headers.host),
      isWithKey: request.headers.authorization !== undefined,
    };
    return { status: 200, headers, body: documentationPage(servables, place), verb: 'docs' };
  }
  const servable = dataPlane.look({ model: decodeSegment(model) });
  const document =
    example === undefined ? openApiDocument(servable, dataPlane.takesAsync) : exampleRow(servable);
  return {
    status: 200,
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(document, null, example === undefined ? 2 : 0),
    verb: 'docs',
  };
}

/** `/docs`, a page with a request for each model that works, `/docs/<model>`, its OpenAPI document, and `/docs/<model>/example`, that request's body. */
export const openApi: RestProtocol = {
  handle: (request, dataPlane) => {
    const found = pathPattern.exec(request.path);
    return found ? Promise.resolve().then(() => answer(found, request, dataPlane)) : undefined;
  },
  error: (message) => JSON.stringify({ error: message }),
};
