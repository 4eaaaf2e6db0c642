import * as z from 'zod';
import { Canary } from '../serving/contract/index.ts';
import type { SettingRow } from './setting-row.ts';

/** One model of the loop. */
export const ModelSetting = z.strictObject({
  /** Under which it is served: /v1/models/<name>. */
  name: z
    .string()
    .regex(/^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?$/, 'lower-case letters, digits and dashes, at most 40'),
  /** The trained model: a path in the project (or absolute). */
  source: z.string().min(1),
  /** Row of conversion/methods. */
  method: z
    .string()
    .min(1)
    .refine(
      (method) => method !== 'auto',
      'a stack converts the same way everywhere, and auto measures the machine it runs on: try `modelmile convert --method auto`, and name what it chose',
    )
    .default('none'),
  /** `dead`, `structured:0.5` or `unstructured:0.8`, before the method. */
  prune: z.string().min(1).optional(),
  /** What a lossy method may cost: `error:0.05` or `accuracy:0.5`. */
  budget: z.string().min(1).optional(),
  /** Labelled set: its accuracy goes into the manifest and the preview. */
  labels: z.string().min(1).optional(),
  /** Rows of real data for int8 and for the judgement of lossy methods. */
  calibration: z.string().min(1).optional(),
  /** What layers of the user's own compute. */
  custom: z.string().min(1).optional(),
  /** Tries the version that the source is now beside `stable`; judged and taken out by the server itself. Stores that keep versions. */
  canary: z
    .strictObject({
      stable: z.int().min(1),
      percent: z.number().min(0).max(100).default(5),
      ...Canary.partial().shape,
    })
    .optional(),
});
export type ModelSetting = z.infer<typeof ModelSetting>;

/** Keys that every platform has. */
export const sharedSettings = {
  platform: {
    schema: z.enum(['local', 'kubernetes', 'aws']).default('local'),
    help: 'Where the loop runs.',
    change: 'everything: destroy the stack first',
  },
  models: {
    schema: z.array(ModelSetting).min(1, 'name at least one model'),
    help: 'The models: [{name, source, method, prune, budget, labels, calibration, custom, canary: {stable, percent, shadow, ...}}].',
    change:
      'a new name adds a model, a missing one removes it, a new source or another way to convert it makes a new version; canary rolls the pods',
  },
} as const satisfies Record<string, SettingRow>;
