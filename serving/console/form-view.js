import { feedback, predict } from './client.js';
import { describe, exampleBody } from './signature.js';
import { figure, say } from './words.js';

const find = (id) => document.getElementById(id);

/** What the user says the truth is: values in brackets are a correction, all else is a label. */
function verdictOf(text) {
  const trimmed = text.trim();
  if (trimmed === '') throw new Error(say('noTruth'));
  if (!trimmed.startsWith('[')) return { label: /^\d+$/.test(trimmed) ? Number(trimmed) : trimmed };
  try {
    return { correction: JSON.parse(trimmed) };
  } catch {
    throw new Error(say('noTruth'));
  }
}

/** A request as JSON, for models of any signature. */
export class FormView {
  #model;
  #onProblem;
  #predictionId;
  #milliseconds;
  #told = 0;

  constructor(onProblem) {
    this.#onProblem = onProblem;
    find('request-form').addEventListener('submit', (event) => {
      event.preventDefault();
      void this.#send();
    });
    find('form-right').addEventListener('click', () => void this.#tell(() => ({ rating: 1 })));
    find('form-verdict').addEventListener('submit', (event) => {
      event.preventDefault();
      void this.#tell(() => verdictOf(find('truth').value));
    });
  }

  show(model) {
    const isOther = this.#model?.name !== model.name;
    this.#model = model;
    if (!isOther) return;
    find('signature').textContent = describe(model);
    const example = JSON.stringify(exampleBody(model));
    find('request').value = example.length > 400 ? example : JSON.stringify(exampleBody(model), null, 2);
    find('response').textContent = '–';
    this.#answered(undefined, undefined);
  }

  hide() {
    this.#model = undefined;
  }

  /** Words that hold values. */
  translate() {
    find('form-facts').textContent =
      this.#milliseconds === undefined ? '' : say('milliseconds', { value: figure(this.#milliseconds) });
    find('form-thanks').textContent = '';
  }

  #answered(predictionId, milliseconds) {
    this.#predictionId = predictionId;
    this.#milliseconds = milliseconds;
    find('form-verdict-fields').disabled = predictionId == null;
    this.translate();
  }

  async #send() {
    const { name } = this.#model;
    let body;
    try {
      body = JSON.parse(find('request').value);
    } catch (error) {
      this.#onProblem(say('notJson', { message: error.message }));
      return;
    }
    try {
      const { answer, milliseconds, predictionId } = await predict(name, body);
      if (this.#model?.name !== name) return;
      this.#onProblem('');
      find('response').textContent = JSON.stringify(answer, null, 2);
      this.#answered(predictionId, milliseconds);
    } catch (error) {
      find('response').textContent = '–';
      this.#answered(undefined, undefined);
      this.#onProblem(error.status === 0 ? say('gone') : error.message);
    }
  }

  async #tell(verdict) {
    const fields = find('form-verdict-fields');
    const predictionId = this.#predictionId;
    const report = (text, kept) => {
      // Another answer is shown meanwhile.
      if (predictionId !== this.#predictionId) return;
      fields.disabled = kept;
      find('form-thanks').textContent = text;
      find('form-thanks').classList.toggle('failed', !kept);
    };
    try {
      const said = verdict();
      fields.disabled = true;
      await feedback(this.#model.name, predictionId, said);
      this.#told += 1;
      report(say('thanks', { count: this.#told }), true);
    } catch (error) {
      report(error.status === 0 ? say('gone') : error.message, false);
    }
  }
}
