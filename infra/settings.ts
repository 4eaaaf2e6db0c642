import * as pulumi from '@pulumi/pulumi';
import type * as z from 'zod';
import { InfraError } from './errors.ts';
import { awsSettings } from './platforms/aws-settings.ts';
import { clusterSettings } from './platforms/cluster-settings.ts';
import { kubernetesSettings } from './platforms/kubernetes-settings.ts';
import { localSettings } from './platforms/local-settings.ts';
import type { SettingRow } from './setting-row.ts';
import { sharedSettings } from './shared-settings.ts';

/** Every key, by platform; `modelmile settings` prints these rows and nothing else reads pulumi.Config. */
export const settingRows = {
  ...sharedSettings,
  ...localSettings,
  ...clusterSettings,
  ...kubernetesSettings,
  ...awsSettings,
} as const satisfies Record<string, SettingRow>;

type Rows = typeof settingRows;
export type Settings = { readonly [K in keyof Rows]: z.output<Rows[K]['schema']> };

function refuse(key: string, value: unknown, what: string): never {
  throw new InfraError('SETTING_INVALID', `modelmile:${key} is ${JSON.stringify(value)}: ${what}.`);
}

/**
 * A key's value as it is meant. Plain scalars come from Pulumi, and may stand in the file, as text: `123456789012` may be a number or
 * an account, and the row decides.
 */
export function settingValue(key: keyof Rows, value: unknown): unknown {
  if (typeof value !== 'string' || settingRows[key].schema.safeParse(value).success) return value;
  try {
    return JSON.parse(value);
  } catch {
    return value;
  }
}

/**
 * Checks a raw value against its row.
 * @throws InfraError SETTING_INVALID naming the key, the value and what may stand there.
 */
export function parseSetting<K extends keyof Rows>(key: K, value: unknown): Settings[K] {
  const parsed = settingRows[key].schema.safeParse(value);
  if (parsed.success) return parsed.data as Settings[K];
  const faults = parsed.error.issues.map((issue) =>
    [issue.path.join('.'), issue.message].filter(Boolean).join(': '),
  );
  return refuse(key, value, faults.join('; '));
}

/**
 * Checks raw values against the rows.
 * @throws InfraError SETTING_INVALID
 */
export function parseSettings(raw: (key: keyof Rows) => unknown): Settings {
  const keys = Object.keys(settingRows) as (keyof Rows)[];
  const settings = Object.fromEntries(keys.map((key) => [key, parseSetting(key, raw(key))])) as Settings;
  const names = settings.models.map((model) => model.name);
  const twice = names.find((name, i) => names.indexOf(name) !== i);
  if (twice !== undefined) refuse('models', names, `two models are called '${twice}'`);
  return settings;
}

/**
 * A key with a typing mistake would be read by nobody, and its default taken in silence.
 * @throws InfraError SETTING_UNKNOWN
 */
export function refuseUnknown(keys: readonly string[]): void {
  const unknown = keys.find(
    (key) => key.startsWith('modelmile:') && !Object.hasOwn(settingRows, key.slice('modelmile:'.length)),
  );
  if (unknown !== undefined) throw new InfraError('SETTING_UNKNOWN', `There is no setting '${unknown}'.`);
}

/** A setting without a default, where the platform cannot do without. @throws InfraError SETTING_INVALID */
export function required<K extends keyof Settings>(settings: Settings, key: K): NonNullable<Settings[K]> {
  const value = settings[key];
  if (value !== undefined) return value as NonNullable<Settings[K]>;
  const { platform } = settings;
  throw new InfraError('SETTING_INVALID', `modelmile:${key} is not set, and platform ${platform} needs it.`);
}

/** The stack's settings. @throws InfraError SETTING_INVALID */
export function readSettings(): Settings {
  const config = new pulumi.Config('modelmile');
  refuseUnknown(Object.keys(pulumi.runtime.allConfig()));
  return parseSettings((key) => settingValue(key, config.get(key)));
}
