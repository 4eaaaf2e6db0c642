import { type ChildProcess, spawn } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { zipSync } from 'fflate';
import { cellsOf } from '../../cli/score/csv.ts';
import { openLines } from '../../cli/score/lines.ts';
import { openNpz } from '../../cli/score/npz.ts';
import { Output } from '../../cli/score/output.ts';
import { countRows, type Rows } from '../../cli/score/record.ts';
import { classify, convert, readLabelledSet } from '../../conversion/index.ts';
import { controlSocketPath } from '../../serving/contract/index.ts';
import { expected, fixture } from '../serving/processing/fixtures.ts';
import { wholeNumbers, writeFixture } from '../serving/support/models.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'modelmile-score-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** As npx runs it. */
function start(args: readonly string[]): { child: ChildProcess; ended: Promise<Ended> } {
  const child = spawn(process.execPath, [join(root, 'toolchain/bin/modelmile.mjs'), 'score', ...args], {
    cwd: folder,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let [stdout, stderr] = ['', ''];
  child.stdout?.on('data', (text) => (stdout += text));
  child.stderr?.on('data', (text) => (stderr += text));
  return {
    child,
    ended: new Promise((resolve) => child.once('close', (code) => resolve({ code, stdout, stderr }))),
  };
}
const score = (...args: string[]) => start(args).ended;
const at = (name: string) => join(folder, name);
const lines = (path: string) =>
  readFileSync(path, 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, never>);

function writeCsv(path: string, rows: readonly Readonly<Record<string, unknown>>[]): void {
  const names = Object.keys(rows[0]!);
  const text = rows.map((row) => names.map((name) => row[name]).join(','));
  writeFileSync(path, `\uFEFF${names.join(',')}\r\n${text.join('\r\n')}\r\n`);
}

/** An array as NumPy writes it. */
function npy(code: string, shape: string, bytes: Uint8Array): Buffer {
  const head = `{'descr': '${code}', 'fortran_order': False, 'shape': (${shape}), }`.padEnd(117);
  return Buffer.concat([
    Buffer.from('\x93NUMPY\x01\x00', 'latin1'),
    Buffer.from([118, 0]),
    Buffer.from(`${head}\n`),
    bytes,
  ]);
}

describe('modelmile score', () => {
  it('gives every row of an .npz the class that the converted model gives it, in order', async () => {
    const digits = join(root, 'samples/digits/model.h5');
    const heldout = join(root, 'samples/digits/heldout.npz');
    const { code, stdout } = await score(digits, heldout, '--out', at('digits.jsonl'), '--json');
    expect(code).toBe(0);
    const { files, manifest } = await convert(digits);
    const classes = await classify(
      files,
      manifest.signatures['serving_default']!,
      await readLabelledSet(heldout),
    );
    const scored = lines(at('digits.jsonl')) as unknown as { row: number; digit: number[] }[];
    expect(scored.map(({ row }) => row)).toEqual(classes.map((_, row) => row));
    expect(scored.map(({ digit }) => digit.indexOf(Math.max(...digit)))).toEqual(classes);
    expect(JSON.parse(stdout)).toMatchObject({
      rows: classes.length,
      refused: 0,
      isWhole: true,
      resumedAt: 0,
    });
    expect(existsSync(at('digits.jsonl.part'))).toBe(false);
  }, 90_000);

  it('does what its page shows', async () => {
    const page = readFileSync(join(root, 'docs/score.md'), 'utf8');
    const [, ...words] = /```sh\nnpx modelmile (.*)\n```/.exec(page)![1]!.split(' ');
    const args = words.map((word) => (word.startsWith('samples/') ? join(root, word) : word));
    const { code, stdout } = await score(...args);
    const shown = /```\n(\d+ rows .*)\n```/.exec(page)![1]!;
    const plain = (line: string) => line.replace(/ in .* s by \d+/, '').replace(/: .*/, '');
    expect([code, plain(stdout.trim())]).toEqual([0, plain(shown)]);
  }, 60_000);

  it('gives whole numbers beyond 53 bits digit for digit, and makes none into another', async () => {
    await writeFixture(folder, 'whole', 1, wholeNumbers);
    const scoresOf = async (input: string) => {
      const { code, stdout } = await score(at('whole/1'), at(input), '--out', at('whole.jsonl'));
      expect(stdout).toMatch(/^\d rows? \(\d refused\) in .* by 1 process: /);
      return { code, text: readFileSync(at('whole.jsonl'), 'utf8') };
    };
    writeFileSync(at('whole.csv'), '9007199254740993,-9223372036854775808\n1.0,+2e3\n1.5,1\n0x10,1\n');
    const cells = await scoresOf('whole.csv');
    expect(cells.code).toBe(1);
    const [large, small, fraction, hexadecimal] = cells.text.split('\n');
    expect(large).toBe('{"row":0,"y":[9007199254740993,-9223372036854775808]}');
    expect(small).toBe('{"row":1,"y":[1,2000]}');
    expect(fraction).toContain('it has a fraction');
    expect(hexadecimal).toContain("column 'column 1' must be a number");
    const wide = npy('<u8', '2, 2', new Uint8Array(BigUint64Array.of(1n, 2n, 3n, 2n ** 63n).buffer));
    writeFileSync(at('wide.npz'), zipSync({ 'x.npy': wide }));
    expect(await scoresOf('wide.npz')).toEqual({
      code: 1,
      text: `{"row":0,"y":[1,2]}\n{"row":1,"error":"array 'x' holds a value that is no int64"}\n`,
    });
    const scale = npy('<i8', '', new Uint8Array(BigInt64Array.of(3n).buffer));
    const bytes = npy('|u1', '1, 2', Uint8Array.of(1, 255));
    writeFileSync(at('scaled.npz'), zipSync({ 'x.npy': bytes, 'scale.npy': scale }));
    expect(await scoresOf('scaled.npz')).toEqual({ code: 0, text: '{"row":0,"y":[3,765]}\n' });
  }, 90_000);

  it('reads packed archives of any number type, nested as they like, as it reads plain ones', async () => {
    const doubles = new Float64Array(expected.columns.encoded.flat());
    const x = npy('<f8', `${expected.columns.rows.length}, 3, 3`, new Uint8Array(doubles.buffer));
    for (const level of [0, 6] as const)
      writeFileSync(at(`x${level}.npz`), zipSync({ 'x.npy': x }, { level }));
    for (const level of [0, 6]) {
      expect((await score(fixture('credit.h5'), at(`x${level}.npz`), '--out', at('x.jsonl'))).code).toBe(0);
      const scored = lines(at('x.jsonl')) as unknown as { risk: number[] }[];
      for (const [row, { risk }] of scored.entries()) {
        expect(Math.abs(risk[0]! - expected.columns.scores[row]![0]!)).toBeLessThan(1e-5);
      }
    }
  }, 90_000);

  it("gives named columns Keras's classes, from CSV and JSON lines alike, and tells which rows it refused and why", async () => {
    const { rows, scores } = expected.columns;
    writeCsv(
      at('some.csv'),
      rows.map((row) => ({ note: '"a, ""b""\nc"', ...row })),
    );
    writeFileSync(at('some.jsonl'), rows.map((row) => `${JSON.stringify(row)}\n`).join('\n'));
    for (const input of ['some.csv', 'some.jsonl']) {
      const { code, stderr } = await score(fixture('credit.h5'), at(input), '--out', at('some.out'));
      expect([input, code, code === 0 ? '' : stderr]).toEqual([input, 0, '']);
      const told = lines(at('some.out')) as unknown as { classes: string[] }[];
      expect(told.map(({ classes }) => classes[0])).toEqual(
        scores.map(([low, high]) => (high! > low! ? 'high' : 'low')),
      );
    }
    const broken = [rows[0]!, { ...rows[1]!, age: 'x' }, rows[2]!, { ...rows[3]!, plan: 4 }];
    writeFileSync(
      at('broken.jsonl'),
      `${broken.map((row) => JSON.stringify(row)).join('\n')}\n{"age":\n[1],[2]`,
    );
    const { code, stdout } = await score(fixture('credit.h5'), at('broken.jsonl'), '--json');
    expect([code, JSON.parse(stdout)]).toEqual([1, expect.objectContaining({ rows: 6, refused: 4 })]);
    const told = lines(at('broken.jsonl.scores.jsonl')) as { error?: string }[];
    expect(told.map(({ error }) => error)).toEqual([
      undefined,
      expect.stringContaining("'age' must be a number"),
      undefined,
      expect.stringContaining("'plan' must be one of"),
      expect.stringContaining('JSON'),
      expect.anything(),
    ]);
  }, 120_000);

  it('gives pictures the classes that Keras gives, by path and as base64', async () => {
    const { pictures } = expected;
    const byPath = pictures.map(({ file }) => JSON.stringify({ picture: fixture(file) }));
    const byBarePath = pictures.map(({ file }) => JSON.stringify(fixture(file)));
    const asBytes = pictures.map(({ file }) =>
      JSON.stringify({ picture: { b64: readFileSync(fixture(file)).toString('base64') } }),
    );
    writeFileSync(at('pictures.jsonl'), [...byPath, ...byBarePath, ...asBytes].join('\n'));
    expect((await score(fixture('shapes.h5'), at('pictures.jsonl'), '--out', at('pictures.out'))).code).toBe(
      0,
    );
    const labels = pictures.map(({ label }) => label);
    const told = lines(at('pictures.out')) as unknown as { classes: string[] }[];
    expect(told.map(({ classes }) => classes[0])).toEqual([...labels, ...labels, ...labels]);
  }, 90_000);

  it('takes as many pictures of many megabytes as there are', async () => {
    const small = readFileSync(fixture('cross-rgb.png'));
    const note = Buffer.concat([Buffer.alloc(4), Buffer.from('noTe'), Buffer.alloc(15_000_004)]);
    note.writeUInt32BE(15_000_000);
    writeFileSync(at('large.png'), Buffer.concat([small.subarray(0, 33), note, small.subarray(33)]));
    writeFileSync(at('large.csv'), `picture\n${'large.png\n'.repeat(29)}none.png\n`);
    const args = [fixture('shapes.h5'), at('large.csv'), '--workers', '1', '--out', at('large.out')];
    const { code, stderr } = await score(...args);
    expect([code, stderr]).toEqual([1, expect.not.stringContaining('error')]);
    const told = lines(at('large.out')) as unknown as { classes?: string[]; row: number; error?: string }[];
    expect(told.map(({ row, classes }) => [row, classes?.[0]])).toEqual(
      Array.from({ length: 30 }, (_, row) => [row, row < 29 ? 'cross' : undefined]),
    );
    expect(told[29]!.error).toContain('there is no file none.png');
  }, 120_000);

  it('loses no row and doubles none where it is killed again and again', async () => {
    const count = 40_000;
    const rows = Array.from({ length: count }, (_, row) => {
      const { age, income, home, plan } = expected.columns.rows[row % 40]!;
      return { age: Number(age) + row / count, income, home, plan };
    });
    writeCsv(at('many.csv'), rows);
    const args = [fixture('credit.h5'), at('many.csv'), '--workers', '2', '--json', '--out'];
    expect((await score(...args, at('whole.out'))).code).toBe(0);
    const part = at('killed.out.part');
    let kills = 0;
    for (let done = 0; kills < 3; ) {
      const { child, ended } = start([...args, at('killed.out')]);
      let isOver = false;
      void ended.then(() => (isOver = true));
      // Until it has written more: then it is in the middle of it.
      while (!isOver && (existsSync(part) ? statSync(part).size : 0) <= done) {
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
      if (isOver) break;
      child.kill('SIGKILL');
      await ended;
      done = statSync(part).size;
      kills++;
    }
    expect(kills).toBeGreaterThan(1);
    // As a crash of the machine in the middle of a line leaves it.
    const torn = readFileSync(part);
    if (torn.length > 40) writeFileSync(part, torn.subarray(0, -7));
    const { code, stdout } = await score(...args, at('killed.out'));
    expect([code, JSON.parse(stdout)]).toEqual([0, expect.objectContaining({ rows: count, isWhole: true })]);
    expect(JSON.parse(stdout).resumedAt).toBeGreaterThan(0);
    expect(readFileSync(at('killed.out')).equals(readFileSync(at('whole.out')))).toBe(true);
  }, 180_000);

  it('stops at Ctrl-C and goes on, but not with another input', async () => {
    const args = [fixture('credit.h5'), at('many.csv'), '--out', at('stopped.out'), '--json'];
    const { child, ended } = start(args);
    let isOver = false;
    void ended.then(() => (isOver = true));
    const part = at('stopped.out.part');
    while (!isOver && !(existsSync(part) && statSync(part).size > 0)) {
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    child.kill('SIGINT');
    const stopped = await ended;
    expect([stopped.code, JSON.parse(stopped.stdout).isWhole]).toEqual([130, false]);
    writeCsv(at('other.csv'), [expected.columns.rows[0]!]);
    const other = await score(fixture('credit.h5'), at('other.csv'), '--out', at('stopped.out'));
    expect([other.code, other.stderr]).toEqual([1, expect.stringContaining('another model or input')]);
    expect((await score(...args)).code).toBe(0);
    expect(readFileSync(at('stopped.out')).equals(readFileSync(at('whole.out')))).toBe(true);
  }, 120_000);

  it('writes where no other run writes, and never over what it reads', async () => {
    writeCsv(at('read.csv'), expected.columns.rows);
    const before = readFileSync(at('read.csv'), 'utf8');
    const args = [fixture('credit.h5'), at('read.csv'), '--out'];
    for (const misuse of [at('read.csv'), `${folder}/../${basename(folder)}/read.csv`]) {
      const { code, stderr } = await score(...args, misuse);
      expect([code, stderr]).toEqual([2, expect.stringContaining('is what is read')]);
    }
    expect(readFileSync(at('read.csv'), 'utf8')).toBe(before);
    expect((await score(...args, at('x.jsonl'), '--workers=-1')).code).toBe(2);
    const { child, ended } = start([fixture('credit.h5'), at('many.csv'), '--out', at('both.out')]);
    while (!existsSync(at('both.out.part'))) await new Promise((resolve) => setTimeout(resolve, 5));
    child.kill('SIGSTOP');
    const second = await score(fixture('credit.h5'), at('many.csv'), '--out', at('both.out'));
    expect([second.code, second.stderr]).toEqual([1, expect.stringContaining('Another run writes to')]);
    child.kill('SIGKILL');
    await ended;
    expect((await score(fixture('credit.h5'), at('many.csv'), '--out', at('both.out'))).code).toBe(0);
    expect(readFileSync(at('both.out')).equals(readFileSync(at('whole.out')))).toBe(true);
  }, 120_000);

  it('writes over no file of the version that it reads', async () => {
    await writeFixture(folder, 'kept', 1, wholeNumbers);
    writeFileSync(at('kept.csv'), '1,2\n');
    for (const name of readdirSync(at('kept/1'))) {
      const { code, stderr } = await score(at('kept/1'), at('kept.csv'), '--out', at(`kept/1/${name}`));
      expect([name, code, stderr]).toEqual([name, 2, expect.stringContaining('is what is read')]);
    }
    expect(readdirSync(at('kept/1'))).toContain('model.onnx');
  }, 60_000);

  it('tells of another run only where there is one', async () => {
    const inTheWay = controlSocketPath(at('way.out.part'));
    mkdirSync(inTheWay, { recursive: true });
    const run = { digest: '', input: '', sizeBytes: 0, modifiedMs: 0 };
    await expect(Output.open(at('way.out'), run)).rejects.toThrow(/EISDIR|is a directory/);
    rmSync(inTheWay, { recursive: true });
  });

  it('says so where an .npz is damaged, whose numbers would be others', async () => {
    const values = new Uint8Array(new Float32Array(400 * 9).fill(0.5).buffer);
    const archive = zipSync({ 'x.npy': npy('<f4', '400, 9', values) }, { level: 0 });
    archive[archive.length >> 1]! ^= 0x40;
    writeFileSync(at('damaged.npz'), archive);
    for (const time of ['at first', 'again']) {
      const { code, stderr } = await score(fixture('credit.h5'), at('damaged.npz'), '--out', at('damaged'));
      expect([time, code, stderr]).toEqual([time, 1, expect.stringContaining('checksum does not fit')]);
    }
    expect(existsSync(at('damaged'))).toBe(false);
  }, 60_000);

  it('says so where the scale of an .npz is damaged, also with an array that is whole', async () => {
    const scale = npy('<f8', '', new Uint8Array(Float64Array.of(0.5).buffer));
    const x = npy('|u1', '1, 9', new Uint8Array(9));
    const archive = Buffer.from(zipSync({ 'scale.npy': scale, 'x.npy': x }, { level: 0 }));
    archive[archive.indexOf(scale) + scale.length - 1]! ^= 0x40;
    writeFileSync(at('scale.npz'), archive);
    await expect(openNpz(at('scale.npz'), [{ name: 'x', dtype: 'uint8' }])).rejects.toThrow(
      'scale is damaged: its checksum does not fit',
    );
  });

  it('hands on large rows of an .npz in few at a time', async () => {
    const bytes = new Uint8Array(40 * 300_000);
    writeFileSync(at('large.npz'), zipSync({ 'x.npy': npy('|u1', '40, 300000', bytes) }, { level: 0 }));
    const source = await openNpz(at('large.npz'), [{ name: 'x', dtype: 'uint8' }]);
    const pieces: number[] = [];
    for await (const { rows } of source.read(1)) pieces.push(countRows(rows));
    expect(pieces).toEqual(Array(13).fill(3));
  });

  it('takes no text that may mean something else: columns of the same name, and other encodings than UTF-8', async () => {
    const out = ['--out', at('meaning.jsonl')];
    writeFileSync(at('twice.csv'), 'note,age,age,note,income,home,plan\na,1,31,b,52.5,own,3\n');
    const twice = await score(fixture('credit.h5'), at('twice.csv'), ...out);
    expect([twice.code, lines(at('meaning.jsonl'))]).toEqual([
      1,
      [{ row: 0, error: "the column 'age' is there twice" }],
    ]);
    writeFileSync(at('latin.csv'), Buffer.from('age,income,home,plan\n31,52.5,r\xe9nt,3\n', 'latin1'));
    const latin = await score(fixture('credit.h5'), at('latin.csv'), ...out);
    expect([latin.code, latin.stderr]).toEqual([1, expect.stringContaining('is not in UTF-8')]);
  }, 60_000);

  it('refuses what it cannot read with a sentence', async () => {
    writeFileSync(at('empty.csv'), '');
    writeFileSync(at('cut.npz'), zipSync({ 'x.npy': Buffer.alloc(4) }).subarray(0, 20));
    const broken: [string[], number, string][] = [
      [[fixture('credit.h5'), at('none.csv')], 1, 'There is no file'],
      [[fixture('credit.h5'), at('empty.csv')], 1, 'it has no rows'],
      [[fixture('credit.h5'), at('cut.npz')], 1, 'cut short'],
      [[fixture('credit.h5'), fixture('make.py')], 1, 'ends in none of .csv'],
      [[fixture('credit.h5')], 2, 'expected: score <model> <input>'],
    ];
    for (const [args, wanted, why] of broken) {
      const { code, stderr } = await score(...args);
      expect([why, code, stderr]).toEqual([why, wanted, expect.stringContaining(why)]);
      expect(stderr).not.toContain('    at ');
    }
    // A run that did nothing stands in nobody's way.
    writeFileSync(at('columns.npz'), zipSync({ 'x.npy': npy('>f4', '1, 9', new Uint8Array(36)) }));
    const out = ['--out', at('mended.jsonl')];
    const foreign = await score(fixture('credit.h5'), at('columns.npz'), ...out);
    expect([foreign.code, foreign.stderr]).toEqual([
      1,
      expect.stringContaining('of a kind that is not read'),
    ]);
    writeCsv(at('mended.csv'), [expected.columns.rows[0]!]);
    expect((await score(fixture('credit.h5'), at('mended.csv'), ...out)).code).toBe(0);
  }, 60_000);
});

const linesOf = (rows: Rows) => (rows.kind === 'lines' ? rows.lines : []);

describe('a record of CSV', () => {
  const cellsIn = async (name: string) => {
    const source = await openLines(at(name), 'csv');
    const rows: string[][] = [];
    for await (const piece of source.read(0)) rows.push(...linesOf(piece.rows).map(cellsOf));
    return rows;
  };

  it('is what any writer made of its cells', () => {
    const quoted = (cell: string) => (/[",\n\r]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell);
    fc.assert(
      fc.property(fc.array(fc.string(), { minLength: 1, maxLength: 6 }), fc.boolean(), (cells, always) => {
        const text = cells
          .map((cell) => (always ? `"${cell.replaceAll('"', '""')}"` : quoted(cell)))
          .join(',');
        expect(cellsOf(text)).toEqual(cells);
      }),
    );
  });

  it('ends where its line ends, whatever lines its quotes hold and whatever quotes its text', async () => {
    const quoted = (cell: string) => `"${cell.replaceAll('"', '""')}"`;
    const text = fc.string({ unit: fc.constantFrom('a', '"', ',', '\n', '\r', '\uFEFF') });
    const plain = fc.string({ unit: fc.constantFrom('5', '"', ' ') }).map((cell) => `5${cell}`);
    const cell = fc.oneof(
      text.map((each) => [quoted(each), each] as const),
      plain.map((each) => [each, each] as const),
    );
    const table = fc.array(
      fc.tuple(
        plain.map((each) => [each, each] as const),
        cell,
        cell,
      ),
      { minLength: 1 },
    );
    await fc.assert(
      fc.asyncProperty(table, async (rows) => {
        const head = '\uFEFF"a","b\nc",d\r\n';
        const lines = rows.map((row) => row.map(([written]) => written).join(','));
        writeFileSync(at('property.csv'), `${head}${lines.join('\r\n')}`);
        expect(await cellsIn('property.csv')).toEqual(rows.map((row) => row.map(([, given]) => given)));
      }),
      { numRuns: 200 },
    );
  });

  it('is found in one pass, also where quotes never end', async () => {
    writeFileSync(at('open.csv'), `a,b\n1,2\n3,"${'4\n'.repeat(2_000_000)}`);
    const startedMs = performance.now();
    const source = await openLines(at('open.csv'), 'csv');
    const rows: string[] = [];
    for await (const piece of source.read(0)) rows.push(...linesOf(piece.rows));
    expect(rows).toHaveLength(2);
    expect(() => cellsOf(rows[1]!)).toThrow('quotes that do not end');
    // Every line anew from the record's beginning would take hours.
    expect(performance.now() - startedMs).toBeLessThan(20_000);
  }, 60_000);

  it('is refused where it goes on behind quotes', () => {
    for (const record of ['"3"1,2', '1,"2" ', '"a""b"c']) {
      expect(() => cellsOf(record)).toThrow('goes on behind its quotes');
    }
  });
});
