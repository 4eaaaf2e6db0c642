import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as pulumi from '@pulumi/pulumi';
import { parse } from 'yaml';
import { platforms } from '../../infra/platforms/index.ts';
import type { DeployableModel } from '../../infra/platforms/platform.ts';
import { parseSettings, type Settings } from '../../infra/settings.ts';
import { type Recorded, recorded, recordResources } from './recorder.ts';

/** Settings of a stack file, with some keys changed. */
export function settingsOf(stack: string, changed: Readonly<Record<string, unknown>> = {}): Settings {
  const text = readFileSync(new URL(`../../Pulumi.${stack}.yaml`, import.meta.url), 'utf8');
  const { config } = parse(text) as { config: Record<string, unknown> };
  return parseSettings((key) => (key in changed ? changed[key] : config[`modelmile:${key}`]));
}

/** A key that signs nothing: what comes from a store needs one that is trusted. */
export const trustedKey = settingsOf('prod').serving.trustedKeys![0]!;

/** Digest of a model whose files lie where a conversion would have put them. */
export const digest = 'ab'.repeat(32);
const home = mkdtempSync(join(tmpdir(), 'modelmile-stacks-'));
process.env['MODELMILE_HOME'] = home;
const folder = join(home, 'cache', 'versions', digest);
mkdirSync(folder, { recursive: true });
for (const file of ['manifest.json', 'model.onnx']) writeFileSync(join(folder, file), `{"file": "${file}"}`);
process.on('exit', () => rmSync(home, { recursive: true, force: true }));

/** Everything that a stack's environment, service and monitoring ask for; conversion is another room's. */
export async function resourcesOf(settings: Settings): Promise<Recorded[]> {
  recordResources();
  const platform = await platforms[settings.platform]();
  const resource = { version: pulumi.output(7), digest: pulumi.output(digest) };
  const models = settings.models.map(({ name }) => ({ name, resource })) as unknown as DeployableModel[];
  return recorded(() => {
    const environment = platform.environment(settings, models);
    const service = platform.service(settings, models, environment);
    platform.monitoring(settings, service, environment);
    platform.feedback(settings, service, environment);
  });
}
