import pc from 'picocolors';

/**
 * Where a command speaks: results to standard output, progress to standard error. A terminal gets colour and a line that is
 * rewritten; a pipe gets plain text; with `json` standard output carries one JSON document and nothing else.
 */
export class Terminal {
  readonly json: boolean;
  readonly colour: ReturnType<typeof pc.createColors>;
  readonly #interactive: boolean;
  #rewriting = false;

  constructor(json: boolean) {
    this.json = json;
    this.colour = pc.createColors(process.stdout.isTTY === true && !process.env['NO_COLOR']);
    this.#interactive = process.stderr.isTTY === true;
  }

  /** A line of the result; silent with `--json`. */
  line(text = ''): void {
    this.#endRewriting();
    if (!this.json) process.stdout.write(`${text}\n`);
  }

  /** The result for a machine; silent without `--json`. */
  document(value: unknown): void {
    this.#endRewriting();
    if (this.json) process.stdout.write(`${JSON.stringify(value, null, 2)}\n`);
  }

  /** What is going on now; on a terminal the next one takes its place. */
  progress(text: string): void {
    if (this.#interactive) {
      process.stderr.write(`\r\u001b[2K${text}`);
      this.#rewriting = true;
    } else {
      process.stderr.write(`${text}\n`);
    }
  }

  error(text: string): void {
    this.#endRewriting();
    const red = process.stderr.isTTY && !process.env['NO_COLOR'] ? pc.red : (plain: string) => plain;
    process.stderr.write(`${red('error:')} ${text}\n`);
  }

  #endRewriting(): void {
    if (this.#rewriting) process.stderr.write('\r\u001b[2K');
    this.#rewriting = false;
  }
}
