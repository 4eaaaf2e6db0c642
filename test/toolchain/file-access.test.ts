import { mkdirSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { fileAccessRefusal } from '../../toolchain/file-access.mjs';
import { repository } from '../support/checkout.ts';
import { runNode } from '../support/run-node.ts';

/** A folder where not even root may write. */
const locked = '/sys/modelmile';
const refused = (() => {
  try {
    mkdirSync(locked);
    return undefined;
  } catch (error) {
    return error;
  }
})();
const onLinux = process.platform === 'linux' ? it : it.skip;

describe('a folder that may not be written', () => {
  onLinux('is named, with whose right it takes and the two ways round it', () => {
    const sentence = fileAccessRefusal(refused);
    expect(sentence).toContain(locked);
    expect(sentence).toMatch(/MODELMILE_HOME=.*MODELMILE_CACHE=/);
  });

  it('is not what another error is about', () => {
    expect(fileAccessRefusal(new TypeError('x'))).toBeUndefined();
    expect(fileAccessRefusal(Object.assign(new Error('x'), { code: 'ENOENT', path: '/x' }))).toBeUndefined();
  });

  onLinux.each([
    [['up']],
    [['preview']],
    [['down']],
    [['serve', 'samples/digits/model.h5']],
    [['feedback', 'export', '--out', `${locked}/feedback.jsonl`]],
    [['convert', 'samples/digits/model.h5', '--out', `${locked}/1`]],
  ])(
    'ends `modelmile %j` with a sentence, not with a stack',
    async (args) => {
      const { code, stderr } = await runNode(['toolchain/bin/modelmile.mjs', ...args], {
        cwd: repository,
        env: { MODELMILE_HOME: locked },
      });
      expect(code).toBe(1);
      expect(stderr).toMatch(/error: /);
      expect(stderr).not.toMatch(/\n\s+at .+:\d+:\d+/);
    },
    60_000,
  );
});
