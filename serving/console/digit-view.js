import { feedback, predict } from './client.js';
import { DigitPad } from './digit-pad.js';
import { writeDigit } from './pen-paths.js';
import { asInstance, firstOutput } from './signature.js';
import { figure, percent, say } from './words.js';

const find = (id) => document.getElementById(id);

/** Draw a digit, see what the model makes of it, tell it the truth. */
export class DigitView {
  #model;
  #pad;
  #onProblem;
  #bars = [];
  /** What is shown: the shares, the best of them, the time, and the prediction's id until feedback to it is kept. */
  #shown;
  /** Number of the newest question: an answer to an older one comes too late. */
  #question = 0;
  #told = 0;

  constructor(onProblem) {
    this.#onProblem = onProblem;
    this.#pad = new DigitPad(find('paper'), find('seen'), () => void this.#ask());
    find('clear').addEventListener('click', () => this.#clear());
    find('draw-one').addEventListener('click', () => {
      this.#clear();
      void this.#pad.write(writeDigit(Math.floor(Math.random() * 10)));
    });
    find('right').addEventListener('click', () => void this.#tell(this.#shown.best));
    // The digit keys of the keyboard correct, too.
    document.addEventListener('keydown', (event) => {
      if (this.#model === undefined || event.ctrlKey || event.metaKey || event.altKey) return;
      if (event.target.matches('input, textarea, select') || !/^\d$/.test(event.key)) return;
      find('wrong').children[Number(event.key)]?.click();
    });
  }

  /** Shows the view for a model. */
  show(model) {
    const isOther = this.#model?.name !== model.name;
    this.#model = model;
    if (!isOther) return;
    this.#rows();
    this.#clear();
  }

  hide() {
    this.#model = undefined;
  }

  #labelOf(index) {
    return this.#model.labels?.[index] ?? String(index);
  }

  #rows() {
    const labels = Array.from({ length: 10 }, (_, index) => this.#labelOf(index));
    this.#bars = labels.map((label) => {
      const row = document.createElement('li');
      row.innerHTML =
        '<span></span><span class="track"><span class="fill"></span></span><span class="percent"></span>';
      row.firstChild.textContent = label;
      return row;
    });
    find('bars').replaceChildren(...this.#bars);
    find('wrong').replaceChildren(
      ...labels.map((label, index) => {
        const button = document.createElement('button');
        button.type = 'button';
        button.textContent = label;
        button.addEventListener('click', () => void this.#tell(index));
        return button;
      }),
    );
    this.translate();
  }

  /** Words that hold values. */
  translate() {
    [...find('wrong').children].forEach((button, index) => {
      button.setAttribute('aria-label', say('itIs', { label: this.#labelOf(index) }));
    });
    find('wrong').setAttribute('aria-label', say('orItIs'));
    this.#render(this.#shown);
  }

  #clear() {
    this.#question += 1;
    this.#pad.clear();
    this.#render(undefined);
  }

  async #ask() {
    this.#question += 1;
    const question = this.#question;
    const { name } = this.#model;
    try {
      const body = { instances: [asInstance(this.#model, this.#pad.pixels())] };
      const { answer, milliseconds, predictionId } = await predict(name, body);
      if (question !== this.#question) return;
      const shares = firstOutput(this.#model, answer);
      const best = shares.indexOf(Math.max(...shares));
      this.#onProblem('');
      this.#render({ shares, best, milliseconds, predictionId });
    } catch (error) {
      if (question !== this.#question) return;
      this.#render(undefined);
      this.#onProblem(error.status === 0 ? say('gone') : error.message);
    }
  }

  #render(shown) {
    this.#shown = shown;
    const { shares = [], best, milliseconds } = shown ?? {};
    find('answer').textContent = shown === undefined ? '–' : this.#labelOf(best);
    find('share').textContent = shown === undefined ? '–' : percent(shares[best]);
    find('latency').textContent =
      shown === undefined ? '–' : say('milliseconds', { value: figure(milliseconds) });
    this.#bars.forEach((row, index) => {
      const share = shares[index] ?? 0;
      row.classList.toggle('most', index === best);
      row.querySelector('.fill').style.width = `${100 * share}%`;
      row.querySelector('.percent').textContent = shown === undefined ? '' : percent(share);
    });
    find('verdict').disabled = shown?.predictionId == null;
    find('thanks').textContent = '';
  }

  async #tell(label) {
    const shown = this.#shown;
    const { predictionId } = shown;
    const report = (text, failed) => {
      // Somebody has drawn on meanwhile.
      if (shown !== this.#shown) return;
      find('verdict').disabled = shown.predictionId === undefined;
      find('thanks').textContent = text;
      find('thanks').classList.toggle('failed', failed);
    };
    // Once is enough; it may be told again where it was not kept.
    shown.predictionId = undefined;
    report('', false);
    try {
      await feedback(this.#model.name, predictionId, { label });
      this.#told += 1;
      report(say('thanks', { count: this.#told }), false);
    } catch (error) {
      shown.predictionId = predictionId;
      report(error.status === 0 ? say('gone') : error.message, true);
    }
  }
}
