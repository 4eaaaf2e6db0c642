import { drawBars, drawLines } from './charts.js';
import { makeDrawable, pixelsOf } from './drawing.js';
import { texts } from './text.js';

const at = (id) => document.getElementById(id);
const pollMs = 1000;
const slots = 300;

let language = navigator.language.startsWith('zh') ? 'zh' : 'en';
let models = [];
/** The prediction that feedback would be about. */
let lastPrediction;

const chosen = () => models.find(({ name }) => name === at('model').value);
const rowSize = ({ inputs }) => inputs[0].shape.slice(1).reduce((product, size) => product * size, 1);
const takesDigits = (model) =>
  model.inputs.length === 1 && model.inputs[0].dtype === 'float32' && rowSize(model) === 784;

function translate() {
  document.documentElement.lang = language;
  for (const node of document.querySelectorAll('[data-text]'))
    node.textContent = texts[language][node.dataset.text];
  for (const node of document.querySelectorAll('[data-label]'))
    node.setAttribute('aria-label', texts[language][node.dataset.label]);
  at('language').textContent = texts[language].other;
  at('language').lang = texts[language].otherCode;
}

function nested([size, ...rest], dtype) {
  if (size === undefined) return dtype === 'string' ? '' : dtype === 'bool' ? false : 0;
  return Array.from({ length: Math.max(1, size) }, () => nested(rest, dtype));
}

/** 784 values in the shape that the model takes. */
function shaped(values, shape) {
  if (shape.length <= 1) return values;
  const step = values.length / shape[0];
  return Array.from({ length: shape[0] }, (_, i) =>
    shaped(values.slice(i * step, (i + 1) * step), shape.slice(1)),
  );
}

function showModel() {
  const model = chosen();
  if (model === undefined) return;
  const digits = takesDigits(model);
  at('drawing').hidden = !digits;
  at('form').hidden = digits;
  at('bars').toggleAttribute('hidden', !digits);
  at('raw').hidden = digits;
  at('feedback').hidden = true;
  if (!digits) {
    at('body').value = JSON.stringify({
      inputs: Object.fromEntries(model.inputs.map(({ name, shape, dtype }) => [name, nested(shape, dtype)])),
    });
  }
}

function describe(model) {
  const words = texts[language];
  const accuracy = model.accuracy ? ` · ${words.accuracy} ${(100 * model.accuracy.value).toFixed(1)} %` : '';
  return `${words.version} ${model.version} · ${model.digest.slice(0, 12)}${accuracy}`;
}

async function post(verb, body) {
  const startedMs = performance.now();
  const response = await fetch(`/v1/models/${encodeURIComponent(chosen().name)}:${verb}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body,
  });
  const answer = await response.json();
  return {
    answer,
    ok: response.ok,
    ms: performance.now() - startedMs,
    predictionId: response.headers.get('x-modelmile-prediction-id'),
  };
}

function showLabels(count, best) {
  at('labels').replaceChildren(
    ...Array.from({ length: count }, (_, label) => {
      const button = document.createElement('button');
      button.type = 'button';
      button.textContent = label === best ? `${label} ✓` : label;
      button.dataset.label = label;
      button.addEventListener('click', async () => {
        const { ok, answer } = await post(
          'feedback',
          JSON.stringify({ predictionId: lastPrediction, label }),
        );
        at('thanks').textContent = ok ? texts[language].thanks : answer.error;
        for (const other of at('labels').children) other.classList.toggle('chosen', other === button && ok);
      });
      return button;
    }),
  );
}

async function ask(body) {
  const { answer, ok, ms, predictionId } = await post('predict', body);
  lastPrediction = predictionId;
  at('thanks').textContent = '';
  at('latency').textContent = ok ? `${ms.toFixed(1)} ms` : answer.error;
  at('raw').textContent = JSON.stringify(answer, null, 1);
  const shares = ok && takesDigits(chosen()) ? answer.predictions[0] : undefined;
  at('feedback').hidden = shares === undefined;
  if (shares === undefined) {
    at('digit').textContent = ok ? '✓' : '–';
    return;
  }
  const best = shares.indexOf(Math.max(...shares));
  at('digit').textContent = best;
  drawBars(at('bars'), shares);
  showLabels(shares.length, best);
}

async function poll() {
  try {
    const { series, models: served } = await (await fetch('/console/api/stats')).json();
    const names = served.map(({ name }) => name).join();
    const before = models.map(({ name }) => name).join();
    models = served;
    if (names !== before) {
      at('model').replaceChildren(...served.map(({ name }) => new Option(name, name)));
      showModel();
    }
    if (chosen()) at('version').textContent = describe(chosen());
    const last = series.at(-1);
    at('throughput-now').textContent = last ? last.requestsPerSecond.toFixed(1) : '';
    at('latency-now').textContent = last ? `${last.p50Ms.toFixed(1)} / ${last.p99Ms.toFixed(1)} ms` : '';
    drawLines(at('throughput'), { rate: series.map((point) => point.requestsPerSecond) }, '', slots);
    drawLines(
      at('latencies'),
      { p50: series.map((point) => point.p50Ms), p99: series.map((point) => point.p99Ms) },
      ' ms',
      slots,
    );
  } catch {
    // The server is away, for example between two versions of itself: the next second tells.
  }
  setTimeout(poll, pollMs);
}

const canvas = at('canvas');
const drawing = makeDrawable(canvas, () => {
  const pixels = pixelsOf(canvas);
  if (pixels !== undefined)
    void ask(JSON.stringify({ instances: [shaped(pixels, chosen().inputs[0].shape.slice(1))] }));
});
at('clear').addEventListener('click', drawing.clear);
at('send').addEventListener('click', () => void ask(at('body').value));
at('model').addEventListener('change', showModel);
at('language').addEventListener('click', () => {
  language = texts[language].otherCode;
  translate();
});
translate();
void poll();
