import { homedir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import {
  backendFolder,
  backendUrl,
  checkout,
  pulumiEnvironment,
} from '../../toolchain/pulumi-environment.mjs';

it('a relative MODELMILE_HOME is one folder to the command, the program and the provider', () => {
  const home = join(process.cwd(), 'elsewhere');
  expect(pulumiEnvironment('dev', '/bin', { MODELMILE_HOME: 'elsewhere' })).toMatchObject({
    MODELMILE_HOME: home,
    PULUMI_BACKEND_URL: backendUrl(join(home, 'state')),
  });
});

describe("the folder of Pulumi's backend of files", () => {
  it('is found again from its URL, whatever it is called', () => {
    fc.assert(
      fc.property(fc.stringMatching(/^[\w %#?&+~é-]+$/), (name) => {
        const folder = join('/', name);
        expect(backendFolder(backendUrl(folder))).toBe(folder);
      }),
    );
  });

  it('is what Pulumi takes a URL for', () => {
    expect(backendFolder('file://~')).toBe(homedir());
    expect(backendFolder('file://~/state')).toBe(join(homedir(), 'state'));
    expect(backendFolder('file://./state')).toBe(join(checkout, 'state'));
    expect(backendFolder('file:///a%23b?no_tmp_dir=true')).toBe('/a#b');
  });

  it('is none of another backend', () => {
    expect(backendFolder('s3://states')).toBeUndefined();
    expect(backendFolder(undefined)).toBeUndefined();
  });
});
