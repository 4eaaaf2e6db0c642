import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { expect, it } from '@jest/globals';
import { repository } from '../support/checkout.ts';
import { runNode } from '../support/run-node.ts';

const loader = pathToFileURL(join(repository, 'toolchain/bin/program.mjs')).href;
const inProgram = (body: string) =>
  runNode(['--import', loader, '--input-type=module', '-e', body], { cwd: repository });

it("a program loads Pulumi's SDK without what turns functions into text", async () => {
  const { stdout, stderr } = await inProgram(`
    import { createRequire } from 'node:module';
    import * as pulumi from '@pulumi/pulumi';
    const loaded = Object.keys(createRequire(import.meta.url).cache);
    console.log(pulumi.Config.name, loaded.length > 100, loaded.filter((path) => /pacote/.test(path)).length);
    process.exit();
  `);
  expect([stdout, stderr]).toEqual(['Config true 0\n', '']);
});

it('what turns functions into text is there for whoever asks', async () => {
  const { stdout } = await inProgram(`
    import { runtime } from '@pulumi/pulumi';
    const { text } = await runtime.serializeFunction(() => 6 * 7);
    console.log(text.includes('6 * 7'));
    process.exit();
  `);
  expect(stdout).toBe('true\n');
});
