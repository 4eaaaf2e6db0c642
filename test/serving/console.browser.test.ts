/// <reference lib="dom" />
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core';
import { convert, writeVersion } from '../../conversion/index.ts';
import { type FeedbackRecord, newApiKey, streamFeedback } from '../../serving/contract/index.ts';
import { classifier, writeFixture } from './support/models.ts';
import { startServer, type TestServer } from './support/server.ts';

const executable = ['chromium', 'chromium-browser', 'google-chrome']
  .flatMap((name) => (process.env['PATH'] ?? '').split(delimiter).map((folder) => join(folder, name)))
  .find((path) => existsSync(path));
/** Counted as skipped where this machine has no Chromium. */
const suite = executable === undefined ? describe.skip : describe;

const flags = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

type Point = readonly [number, number];

/** Each digit as a person might write it, in a square of 100 by 100: corners, not curves, unlike the page's own. */
const drawings: Readonly<Record<string, readonly (readonly Point[])[]>> = {
  0: [
    Array.from(
      { length: 25 },
      (_, i): Point => [50 + 22 * Math.sin((i * Math.PI) / 12), 50 - 34 * Math.cos((i * Math.PI) / 12)],
    ),
  ],
  1: [
    [
      [52, 12],
      [50, 88],
    ],
  ],
  2: [
    [
      [28, 28],
      [40, 14],
      [62, 14],
      [70, 28],
      [64, 46],
      [28, 86],
      [74, 86],
    ],
  ],
  4: [
    [
      [58, 12],
      [26, 60],
      [78, 60],
    ],
    [
      [62, 34],
      [62, 90],
    ],
  ],
  7: [
    [
      [26, 16],
      [74, 16],
      [46, 88],
    ],
  ],
};

suite('the console', () => {
  let server: TestServer;
  let browser: Browser;
  let page: Page;
  let complaints: string[];
  const modelRoot = mkdtempSync(join(tmpdir(), 'modelmile-console-'));

  async function open(options: BrowserContextOptions = {}): Promise<Page> {
    const opened = await browser.newPage({
      viewport: { width: 1060, height: 900 },
      locale: 'en-GB',
      ...options,
    });
    opened.on('console', (message) => {
      if (message.type() === 'error') complaints.push(message.text());
    });
    opened.on('pageerror', (error) => complaints.push(error.message));
    await opened.goto(`${server.rest}/console`);
    await opened.waitForSelector('#digit-view:not([hidden])');
    return opened;
  }

  /** Draws with the mouse, strokes one after the other; `scale` 1 fills the paper. */
  async function draw(
    strokes: readonly (readonly Point[])[],
    scale = 1,
    corner: Point = [0, 0],
  ): Promise<void> {
    await page.click('#clear');
    const box = (await page.locator('#paper').boundingBox())!;
    const place = ([x, y]: Point): Point => [
      box.x + (box.width * (corner[0] + scale * x)) / 100,
      box.y + (box.height * (corner[1] + scale * y)) / 100,
    ];
    for (const stroke of strokes) {
      await page.mouse.move(...place(stroke[0]!));
      await page.mouse.down();
      for (const point of stroke) await page.mouse.move(...place(point), { steps: 4 });
      await page.mouse.up();
    }
  }

  const answered = (digit: string) =>
    page.waitForFunction((wanted) => document.getElementById('answer')?.textContent === wanted, digit, {
      timeout: 15_000,
    });
  const thanked = (id: string) =>
    page.waitForFunction((element) => document.getElementById(element)?.textContent !== '', id);

  async function feedbackOf(model: string): Promise<FeedbackRecord[]> {
    const records: FeedbackRecord[] = [];
    for await (const record of streamFeedback(server.settings.stateDir, model)) records.push(record);
    return records;
  }

  beforeAll(async () => {
    const digits = fileURLToPath(new URL('../../samples/digits/model.h5', import.meta.url));
    const heldout = fileURLToPath(new URL('../../samples/digits/heldout.npz', import.meta.url));
    await writeVersion(await convert(digits, { labels: heldout }), join(modelRoot, 'model', '1'));
    await writeFixture(modelRoot, 'tones', 3, classifier);
    server = await startServer({}, { modelRoot, recordInputs: true });
    browser = await chromium.launch({ executablePath: executable as string, args: flags });
  }, 120_000);
  afterAll(async () => {
    await browser?.close();
    await server?.stop();
    rmSync(modelRoot, { recursive: true, force: true });
  }, 60_000);
  beforeEach(async () => {
    complaints = [];
    page = await open();
  });
  afterEach(async () => {
    await page.close();
    // Its own content security policy included.
    expect(complaints).toEqual([]);
  });

  it('answers what is drawn, large, small and in a corner, and keeps a correction with what was drawn', async () => {
    for (const [digit, strokes] of Object.entries(drawings)) {
      await draw(strokes);
      await answered(digit);
    }
    await draw(drawings['2']!, 0.4, [55, 5]);
    await answered('2');
    await draw(drawings['7']!, 0.8, [0, 20]);
    await answered('7');
    expect(await page.locator('#latency').textContent()).toMatch(/^\d+(\.\d)? ms$/);
    expect(await page.locator('#bars li').count()).toBe(10);
    expect(await page.locator('#bars .most').textContent()).toMatch(/^7\d+(\.\d)? %$/);

    await page.click('#wrong button:has-text("1")');
    await thanked('thanks');
    await draw(drawings['4']!);
    await answered('4');
    await page.click('#right');
    await thanked('thanks');
    const [wrong, right] = await feedbackOf('model');
    expect(wrong).toMatchObject({ label: 1, row: 0 });
    expect(right).toMatchObject({ label: 4 });
    const pixels = wrong!.inputs![0]!.data as number[];
    expect(pixels).toHaveLength(784);
    expect(Math.max(...pixels)).toBeGreaterThan(0.9);
    expect(pixels.slice(0, 84)).toEqual(Array(84).fill(0));
  }, 90_000);

  it('can be used without a pointer: writes a digit itself and is corrected by a digit key', async () => {
    const before = (await feedbackOf('model')).length;
    await page.focus('#draw-one');
    await page.keyboard.press('Enter');
    await page.waitForSelector('#verdict:enabled');
    await page.keyboard.press('5');
    await thanked('thanks');
    const records = await feedbackOf('model');
    expect(records).toHaveLength(before + 1);
    expect(records.at(-1)).toMatchObject({ label: 5 });
    // Once is enough.
    await page.keyboard.press('6');
    expect(await page.locator('#verdict:disabled').count()).toBe(1);
    expect(await feedbackOf('model')).toHaveLength(before + 1);
  });

  it('recognises what it writes itself', async () => {
    const right = await page.evaluate(async () => {
      const { writeDigit } = await import('/console/pen-paths.js' as string);
      const { DigitPad } = await import('/console/digit-pad.js' as string);
      let seed = 7;
      const random = () => {
        seed = (seed * 16807) % 2147483647;
        return seed / 2147483647;
      };
      let count = 0;
      for (let i = 0; i < 50; i++) {
        const pad = new DigitPad(
          document.createElement('canvas'),
          document.createElement('canvas'),
          () => {},
        );
        await pad.write(writeDigit(i % 10, random), { animate: false });
        const response = await fetch('/v1/models/model:predict', {
          method: 'POST',
          body: JSON.stringify({ instances: [pad.pixels()] }),
        });
        const [shares] = (await response.json()).predictions;
        if (shares.indexOf(Math.max(...shares)) === i % 10) count += 1;
      }
      return count;
    });
    expect(right).toBeGreaterThanOrEqual(47);
  }, 60_000);

  it('shows a request form for any other model, and takes labels, corrections and ratings', async () => {
    await page.selectOption('#model', 'tones');
    await page.waitForSelector('#form-view:not([hidden])');
    expect(await page.locator('#model-facts').textContent()).toContain('version 3');
    expect(await page.locator('#signature').textContent()).toBe('x float32 [-1,4] → scores float32 [-1,3]');
    const send = async () => {
      await page.click('#request-form button[type=submit]');
      await page.waitForSelector('#form-verdict-fields:enabled');
    };
    await send();
    expect(JSON.parse((await page.locator('#response').textContent())!)).toHaveProperty('predictions');
    await page.click('#form-right');
    await thanked('form-thanks');
    for (const truth of ['green', '[0, 1, 0]']) {
      await send();
      await page.fill('#truth', truth);
      await page.click('#form-verdict button[type=submit]');
      await thanked('form-thanks');
    }
    const said = (await feedbackOf('tones')).map(
      ({ label, rating, correction }) => label ?? rating ?? correction,
    );
    expect(said).toEqual([1, 'green', [0, 1, 0]]);

    await page.fill('#request', '{"instances": [[1, 2]]}');
    await page.click('#request-form button[type=submit]');
    await page.waitForSelector('#problem:not([hidden])');
    expect(await page.locator('#problem').textContent()).toContain('[-1,4]');
    expect(complaints.splice(0)).toEqual([expect.stringContaining('400')]);
  });

  it('draws throughput and latency of what was asked', async () => {
    await draw(drawings['1']!);
    await answered('1');
    await page.waitForFunction(
      () => /[1-9]/.test(document.querySelector('#delay [data-now]')?.textContent ?? ''),
      undefined,
      { timeout: 15_000 },
    );
    expect(await page.locator('#delay path.p50').getAttribute('d')).toMatch(/^M/);
    expect(await page.locator('#throughput title').textContent()).toMatch(/[1-9][\d.]* at most/);
  });

  it('speaks Chinese where the browser does, and either on demand', async () => {
    await page.click('#language');
    expect(await page.locator('#pad-title').textContent()).toBe('写一个数字');
    expect(await page.locator('html').getAttribute('lang')).toBe('zh');
    await page.reload();
    expect(await page.locator('#pad-title').textContent()).toBe('写一个数字');
    const chinese = await open({ locale: 'zh-CN', colorScheme: 'dark' });
    expect(await chinese.locator('#pad-title').textContent()).toBe('写一个数字');
    await chinese.close();
    const untranslated = await page.evaluate(
      () =>
        [...document.querySelectorAll('[data-word]')].filter(
          (element) => !/[一-鿿]/.test(element.textContent),
        ).length,
    );
    expect(untranslated).toBe(0);
  });

  it('can be read in light and in dark: every text has a contrast of 4.5 at least, as WCAG AA asks', async () => {
    for (const colorScheme of ['light', 'dark'] as const) {
      await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
      const faint = await page.evaluate(() => {
        const luminance = (color: string) => {
          const [r, g, b] = color.match(/[\d.]+/g)!.map((part) => {
            const share = Number(part) / 255;
            return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
          }) as [number, number, number];
          return 0.2126 * r + 0.7152 * g + 0.0722 * b;
        };
        const ground = (element: Element | null): string => {
          const color = element === null ? 'rgb(255, 255, 255)' : getComputedStyle(element).backgroundColor;
          return color === 'rgba(0, 0, 0, 0)' ? ground((element as Element).parentElement) : color;
        };
        return [
          ...document.querySelectorAll('h1, h2, .quiet, .facts, button:enabled, figcaption, code, .hint'),
        ]
          .map((element) => {
            const [a, b] = [luminance(getComputedStyle(element).color), luminance(ground(element))];
            return { text: element.textContent, contrast: (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05) };
          })
          .filter(({ contrast }) => contrast < 4.5);
      });
      expect(faint).toEqual([]);
    }
  });

  it('fits a telephone and is drawn on with a finger', async () => {
    const phone = await open({ viewport: { width: 375, height: 740 }, hasTouch: true, isMobile: true });
    expect(await phone.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(375);
    const box = (await phone.locator('#paper').boundingBox())!;
    await phone.touchscreen.tap(box.x + box.width / 2, box.y + box.height / 2);
    await phone.waitForSelector('#verdict:enabled');
    await phone.close();
  });

  it('lets in behind API keys who knows one, by the browser’s own dialog, and shows what the key may not do', async () => {
    const { key, entry } = newApiKey('viewer', { scopes: ['read:*', 'predict:model'] });
    const keysFile = join(modelRoot, '..', `${entry.sha256}.json`);
    writeFileSync(keysFile, JSON.stringify({ keys: [entry] }));
    const guarded = await startServer({}, { modelRoot, keysFile });
    const knows = await browser.newContext({ httpCredentials: { username: '', password: key } });
    try {
      const refused = await fetch(`${guarded.rest}/console`);
      expect([refused.status, refused.headers.get('www-authenticate')]).toEqual([
        401,
        'Basic realm="modelmile"',
      ]);
      const inside = await knows.newPage();
      await inside.goto(`${guarded.rest}/console`);
      await inside.waitForSelector('#digit-view:not([hidden])');
      await inside.click('#draw-one');
      await inside.waitForSelector('#verdict:enabled');
      await inside.click('#right');
      await inside.waitForSelector('#thanks.failed');
      expect(await inside.locator('#thanks').textContent()).toContain("may not feedback on model 'model'");
    } finally {
      await knows.close();
      await guarded.stop();
      rmSync(keysFile, { force: true });
    }
  }, 60_000);
});
