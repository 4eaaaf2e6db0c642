import type { DataPlane } from '../../dataplane.ts';
import { ServingError } from '../../errors.ts';
import { decodeSegment } from '../path.ts';
import type { RestProtocol, RestRequest, RestResponse } from '../protocol.ts';
import { openApiDocument } from './document.ts';
import { documentationPage } from './page.ts';

const pathPattern = /^\/docs(?:\/([^/]+))?\/?$/;

function answer(model: string | undefined, request: RestRequest, dataPlane: DataPlane): RestResponse {
  if (request.method !== 'GET') {
    throw new ServingError('SERVING_METHOD_NOT_ALLOWED', `${request.path} answers GET`);
  }
  if (model === undefined) {
    const servables = dataPlane.modelNames().map((name) => dataPlane.look({ model: name }));
    const headers = {
      'content-type': 'text/html; charset=utf-8',
      'content-security-policy': "default-src 'none'",
    };
    return { status: 200, headers, body: documentationPage(servables), verb: 'docs' };
  }
  const document = openApiDocument(dataPlane.look({ model: decodeSegment(model) }), dataPlane.takesAsync);
  return {
    status: 200,
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(document, null, 2),
    verb: 'docs',
  };
}

/** `/docs`, a page with a request for each model that works, and `/docs/<model>`, its OpenAPI document. */
export const openApi: RestProtocol = {
  handle: (request, dataPlane) => {
    const found = pathPattern.exec(request.path);
    return found ? Promise.resolve().then(() => answer(found[1], request, dataPlane)) : undefined;
  },
  error: (message) => JSON.stringify({ error: message }),
};
