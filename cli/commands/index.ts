import type { Command } from '../command.ts';

interface Row {
  readonly summary: string;
  /** Loaded when it is run: a command never pays for another's dependencies. */
  load(): Promise<Command>;
}

/** Every subcommand. A new one is a file here and its row. */
export const commands = {
  start: {
    summary: 'the main job (npm start): the whole loop on this machine',
    load: async () => (await import('./start.ts')).start,
  },
  serve: {
    summary: 'convert, gate and serve any model in one command',
    load: async () => (await import('./serve.ts')).serve,
  },
  inspect: {
    summary: 'what a model consists of, and what stands in the way',
    load: async () => (await import('./inspect.ts')).inspect,
  },
  convert: {
    summary: 'write one deployable version of a model, behind the parity gate',
    load: async () => (await import('./convert.ts')).convert,
  },
  verify: {
    summary: 'convert again and compare, byte for byte',
    load: async () => (await import('./verify.ts')).verify,
  },
  profile: {
    summary: 'measure a model on this machine, for sizing',
    load: async () => (await import('./profile.ts')).profile,
  },
  score: {
    summary: 'score every row of a file, on all cores; goes on where it was stopped',
    load: async () => (await import('./score.ts')).score,
  },
  up: {
    summary: 'bring a stack to what its settings and models say',
    load: async () => (await import('./up.ts')).up,
  },
  preview: {
    summary: 'show what `up` would change',
    load: async () => (await import('./preview.ts')).preview,
  },
  drift: {
    summary: 'whether what really runs is still what `up` left',
    load: async () => (await import('./drift.ts')).drift,
  },
  render: {
    summary: "write a stack's Kubernetes objects as YAML, for GitOps",
    load: async () => (await import('./render.ts')).render,
  },
  fork: {
    summary: 'write the settings of a new stack that is like another one',
    load: async () => (await import('./fork.ts')).fork,
  },
  down: {
    summary: 'drain, stop and forget a stack',
    load: async () => (await import('./down.ts')).down,
  },
  rollback: {
    summary: 'serve a kept version again',
    load: async () => (await import('./rollback.ts')).rollback,
  },
  'feedback export': {
    summary: "write the users' feedback, joined with what it is about, as a labelled data set",
    load: async () => (await import('./feedback-export.ts')).feedbackExport,
  },
  retrain: {
    summary: 'train a challenger on the feedback; it is kept only if it is not worse',
    load: async () => (await import('./retrain.ts')).retrain,
  },
  key: {
    summary: 'make an API key for a caller of the service',
    load: async () => (await import('./key.ts')).key,
  },
  settings: {
    summary: 'every key of Pulumi.<stack>.yaml with its type and default',
    load: async () => (await import('./settings.ts')).settings,
  },
  env: {
    summary: 'the environment for a `pulumi` of your own',
    load: async () => (await import('./env.ts')).env,
  },
  doctor: {
    summary: 'what this machine has and lacks',
    load: async () => (await import('./doctor.ts')).doctor,
  },
} as const satisfies Record<string, Row>;
