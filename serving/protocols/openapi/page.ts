import type { Servable } from '../../engine/servable.ts';
import { curlLine, examplePath, type Place } from './curl.ts';

const escapes: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};
const escapeHtml = (value: string) => value.replace(/[&<>"']/g, (character) => escapes[character] as string);

function modelSection(servable: Servable, place: Place): string {
  const { model, version, signature } = servable;
  const tensors = (specs: Servable['signature']['inputs']) =>
    specs.map(({ name, dtype, shape }) => `<code>${escapeHtml(name)}: ${dtype} [${shape}]</code>`).join(', ');
  return `<h2>${escapeHtml(model)}, version ${version}</h2>
<p>Takes ${tensors(signature.inputs)}; gives ${tensors(signature.outputs)}. <a href="/docs/${escapeHtml(encodeURIComponent(model))}">OpenAPI</a>, <a href="${escapeHtml(examplePath(model))}">a body that it answers</a></p>
<pre>${escapeHtml(curlLine(servable, place))}</pre>
`;
}

/** What can be asked, for people: no scripts, nothing loaded from elsewhere. */
export function documentationPage(servables: readonly Servable[], place: Place): string {
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>modelmile: models</title>
<h1>Models</h1>
${place.isWithKey ? '<p>Your key is expected in the variable <code>KEY</code>.</p>\n' : ''}${servables.map((servable) => modelSection(servable, place)).join('')}</html>
`;
}
