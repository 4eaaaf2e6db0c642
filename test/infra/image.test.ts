import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from '@jest/globals';
import { contentDigest } from '../../infra/service/content.ts';
import { imageInputs, ServingImage } from '../../infra/service/image.ts';
import { only, recorded, recordResources } from './recorder.ts';

const root = mkdtempSync(join(tmpdir(), 'modelmile-context-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));
const write = (path: string, text: string) => {
  mkdirSync(join(root, path, '..'), { recursive: true });
  writeFileSync(join(root, path), text);
};
write('Dockerfile', 'FROM scratch');
write('serving/main.ts', 'one');
write('docs/page.md', 'one');

const dockerfile = new URL('../../Dockerfile', import.meta.url);

async function imageName(): Promise<string> {
  recordResources();
  const all = await recorded(() => {
    new ServingImage('image', { repository: 'registry.example/serving', context: root, target: 'gpu' });
  });
  return only(all, 'Image').inputs.imageName;
}

describe('the serving image', () => {
  it('has a tag that follows what is copied into it, and nothing else', async () => {
    const before = await imageName();
    expect(before).toMatch(/^registry\.example\/serving:gpu-[0-9a-f]{16}$/);
    write('docs/page.md', 'two');
    write('infra/index.ts', 'two');
    expect(await imageName()).toBe(before);
    write('serving/main.ts', 'two');
    const changed = await imageName();
    expect(changed).not.toBe(before);
    write('serving/main.ts', 'one');
    expect(await imageName()).toBe(before);
    write('serving/added.ts', '');
    expect(await imageName()).not.toBe(before);
  });

  it('tells a moved file from a changed one: names count', () => {
    const one = contentDigest(root, ['serving']);
    write('serving/other.ts', 'one');
    rmSync(join(root, 'serving/main.ts'));
    expect(contentDigest(root, ['serving'])).not.toBe(one);
  });

  it('is built for linux/amd64, whatever machine builds it', async () => {
    recordResources();
    const all = await recorded(() => {
      new ServingImage('image', { repository: 'registry.example/serving', context: root });
    });
    expect(only(all, 'Image').inputs.build).toMatchObject({ platform: 'linux/amd64', target: 'cpu' });
  });

  it('has another tag when its base images are others', async () => {
    recordResources();
    const names = await recorded(() => {
      const args = { repository: 'registry.example/serving', context: root };
      new ServingImage('one', args);
      new ServingImage('other', { ...args, buildArgs: { NODE: 'mirror.example/node:1' } });
    });
    const [one, other] = names
      .filter(({ type }) => type.endsWith(':Image'))
      .map(({ inputs }) => inputs.imageName);
    expect(other).not.toBe(one);
  });

  it('watches everything that the Dockerfile copies', () => {
    const copied = [...readFileSync(dockerfile, 'utf8').matchAll(/^COPY (?!--from)(.+)$/gm)]
      .flatMap(([, rest]) => rest!.split(/\s+/).slice(0, -1))
      .filter((word) => !word.startsWith('--'));
    expect(copied.length).toBeGreaterThan(3);
    for (const path of copied)
      expect(imageInputs.some((input) => path === input || path.startsWith(`${input}/`))).toBe(true);
  });
});
