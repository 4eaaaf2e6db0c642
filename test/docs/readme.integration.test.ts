import { existsSync, readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { request } from 'undici';
import { readServerState } from '../../serving/contract/index.ts';
import { cached, findOnPath } from '../../toolchain/pulumi-cli.mjs';
import { Checkout, repository } from '../support/checkout.ts';

const languages = ['README.md', 'README.zh-CN.md'] as const;

/** Every line of every ```sh block. */
function commandsOf(file: string): string[] {
  const text = readFileSync(`${repository}/${file}`, 'utf8');
  return [...text.matchAll(/```sh\n([\s\S]*?)```/g)].flatMap((block) => block[1]!.trim().split('\n'));
}

const suite = (cached() ?? (await findOnPath())) === undefined ? describe.skip : describe;

describe('both languages of the README', () => {
  it('show the same commands', () => {
    expect(commandsOf('README.zh-CN.md')).toEqual(commandsOf('README.md'));
  });

  it('link only to what is there', () => {
    for (const file of languages) {
      const links = [...readFileSync(`${repository}/${file}`, 'utf8').matchAll(/\]\((?!http)([^)#]+)\)/g)];
      for (const [, path] of links)
        expect(`${path} ${existsSync(`${repository}/${path}`)}`).toBe(`${path} true`);
    }
  });
});

suite("the README's commands", () => {
  let checkout: Checkout;
  beforeAll(async () => {
    checkout = await Checkout.create();
  }, 60_000);
  afterAll(() => checkout?.remove(), 120_000);

  /** Those that do not end by themselves, or are this test itself. */
  const elsewhere = ['npm test', 'npx modelmile serve samples/digits/model.h5'];

  it('work in the order in which they stand there', async () => {
    const commands = commandsOf('README.md');
    for (const command of commands) {
      if (elsewhere.includes(command)) continue;
      const args = command === 'npm start' ? ['start'] : command.replace(/^npx modelmile /, '').split(' ');
      if (args[0] === 'retrain') await giveFeedback();
      const { code, stdout, stderr } = await checkout.modelmile(...args);
      expect(`${command}: ${code} ${code === 0 ? '' : stderr}`).toBe(`${command}: 0 `);
      if (args[0] === 'start') {
        // The lines that the README shows, with this run's figures.
        for (const word of ['prediction', 'endpoint', 'console', 'metrics', 'try', 'changes', 'next']) {
          expect(stdout).toMatch(new RegExp(`^${word} `, 'm'));
        }
        const file = /--data @(\S+)/.exec(stdout)![1]!;
        const answer = await request(`${checkout.endpoint}/v1/models/model:predict`, {
          method: 'POST',
          body: readFileSync(file),
        });
        expect(answer.statusCode).toBe(200);
        await answer.body.dump();
      }
    }
  }, 400_000);

  async function giveFeedback(): Promise<void> {
    expect(await readServerState(checkout.stateDir)).toBeDefined();
    const url = `${checkout.endpoint}/v1/models/model`;
    for (let label = 0; label < 3; label++) {
      const body = JSON.stringify({
        instances: [Array.from({ length: 784 }, (_, i) => (i === label ? 1 : 0))],
      });
      const predicted = await request(`${url}:predict`, { method: 'POST', body });
      await predicted.body.dump();
      const predictionId = predicted.headers['x-modelmile-prediction-id'];
      const answer = await request(`${url}:feedback`, {
        method: 'POST',
        body: JSON.stringify({ predictionId, label }),
      });
      expect(answer.statusCode).toBe(200);
      await answer.body.dump();
    }
  }
});
