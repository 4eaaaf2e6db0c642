/// <reference lib="dom" />
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type Browser, chromium } from 'playwright-core';
import { convert, writeVersion } from '../../conversion/index.ts';
import { streamFeedback } from '../../serving/contract/index.ts';
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

suite('the console', () => {
  let server: TestServer;
  let browser: Browser;
  const modelRoot = mkdtempSync(join(tmpdir(), 'modelmile-console-'));
  beforeAll(async () => {
    const digits = new URL('../../samples/digits/model.h5', import.meta.url).pathname;
    await writeVersion(await convert(digits), join(modelRoot, 'model', '1'));
    server = await startServer({}, { modelRoot, recordInputs: true });
    browser = await chromium.launch({ executablePath: executable as string, args: flags });
  }, 120_000);
  afterAll(async () => {
    await browser?.close();
    await server?.stop();
    rmSync(modelRoot, { recursive: true, force: true });
  }, 60_000);

  it('answers a digit that is drawn, takes a correction, and breaks no rule of its own policy', async () => {
    const page = await browser.newPage({ viewport: { width: 1040, height: 820 } });
    const complaints: string[] = [];
    page.on('console', (message) => message.type() === 'error' && complaints.push(message.text()));
    page.on('pageerror', (error) => complaints.push(error.message));
    await page.goto(`${server.rest}/console`);
    await page.waitForFunction(
      () => (document.getElementById('model') as HTMLSelectElement).options.length > 0,
    );
    const box = (await page.locator('#canvas').boundingBox())!;
    const stroke = async (points: readonly (readonly [number, number])[]) => {
      await page.mouse.move(box.x + points[0]![0], box.y + points[0]![1]);
      await page.mouse.down();
      for (const [x, y] of points) await page.mouse.move(box.x + x, box.y + y, { steps: 4 });
      await page.mouse.up();
    };
    const ring = Array.from(
      { length: 25 },
      (_, i) => [140 + 62 * Math.sin((i * Math.PI) / 12), 140 - 92 * Math.cos((i * Math.PI) / 12)] as const,
    );
    await stroke(ring);
    await page.waitForFunction(() => document.getElementById('digit')?.textContent === '0');
    expect(await page.locator('#latency').textContent()).toMatch(/^\d+\.\d ms$/);
    expect(await page.locator('#bars rect').count()).toBe(10);

    await page.click('#labels button[data-label="0"]');
    await page.waitForFunction(() => document.getElementById('thanks')?.textContent !== '');
    const kept: unknown[] = [];
    for await (const record of streamFeedback(server.settings.stateDir, 'model')) kept.push(record.label);
    expect(kept).toEqual([0]);

    await page.click('#clear');
    await stroke([
      [100, 60],
      [190, 60],
      [190, 60],
      [130, 230],
    ]);
    await page.waitForFunction(() => document.getElementById('digit')?.textContent === '7');
    await page.click('#language');
    expect(await page.locator('#draw-title').textContent()).toBe('写一个数字');
    expect(complaints).toEqual([]);
    if (process.env['SCREENSHOT']) await page.screenshot({ path: process.env['SCREENSHOT'] });
    await page.close();
  }, 90_000);
});
