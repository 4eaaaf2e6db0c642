/** The console: ask a served model, tell it the truth, watch how fast it answers. No framework, nothing from elsewhere. */
import { drawCharts } from './charts.js';
import { stats } from './client.js';
import { DigitView } from './digit-view.js';
import { FormView } from './form-view.js';
import { takesDigits } from './signature.js';
import { percent, say, switchLanguage, translatePage } from './words.js';

const pollMs = 2_000;
const find = (id) => document.getElementById(id);

/** Who reported the problem that is shown: the answer to a request, or the page's own polling. */
const problems = { request: '', polling: '' };
function showProblem(of, text) {
  problems[of] = text;
  const shown = problems.polling || problems.request;
  find('problem').hidden = shown === '';
  find('problem').textContent = shown;
}

const onProblem = (text) => showProblem('request', text);
const views = { digit: new DigitView(onProblem), form: new FormView(onProblem) };
const select = find('model');
let newest = { series: [], models: [] };

function showModel() {
  const model = newest.models.find(({ name }) => name === select.value);
  const kind = model === undefined ? undefined : takesDigits(model) ? 'digit' : 'form';
  for (const [name, view] of Object.entries(views)) {
    find(`${name}-view`).hidden = name !== kind;
    if (name === kind) view.show(model);
    else view.hide();
  }
  find('model-facts').textContent = model === undefined ? '' : factsOf(model);
}

function factsOf({ version, digest, accuracy }) {
  const facts = [say('facts', { version, digest: digest.slice(0, 12) })];
  if (accuracy !== undefined)
    facts.push(say('accuracy', { percent: percent(accuracy.value, 2), samples: accuracy.samples }));
  return facts.join(' · ');
}

function showModels() {
  const names = newest.models.map(({ name }) => name);
  const shown = [...select.options].map(({ value }) => value);
  if (names.join('\n') !== shown.join('\n')) {
    const before = select.value;
    select.replaceChildren(...names.map((name) => new Option(name, name)));
    if (names.includes(before)) select.value = before;
  }
  showModel();
}

function draw() {
  drawCharts(find('throughput'), find('delay'), newest.series);
}

async function poll() {
  try {
    newest = await stats();
    showProblem('polling', newest.models.length === 0 ? say('noModels') : '');
    showModels();
    draw();
  } catch (error) {
    showProblem('polling', error.status === 0 ? say('gone') : error.message);
  }
  setTimeout(poll, pollMs);
}

function translate() {
  translatePage(find('language'));
  for (const view of Object.values(views)) view.translate();
  showModel();
  draw();
}

select.addEventListener('change', () => {
  onProblem('');
  showModel();
});
find('language').addEventListener('click', () => {
  switchLanguage();
  translate();
});
translate();
void poll();
