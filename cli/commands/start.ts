import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { request } from 'undici';
import { argmax, readLabelledSet } from '../../conversion/index.ts';
import { predictionIdHeader, readServerState } from '../../serving/contract/index.ts';
import { type Command, exitCodes } from '../command.ts';
import { digitPicture } from '../digit-picture.ts';
import { CliError } from '../errors.ts';
import { percent } from '../figures.ts';
import { devPaths, projectRoot } from '../paths.ts';
import { ensureStack, pulumi } from '../pulumi.ts';
import { curlLine } from '../request-example.ts';

interface Answer {
  readonly digit: number;
  readonly share: number;
  readonly milliseconds: number;
  readonly predictionId: string;
}

async function predict(endpoint: string, model: string, pixels: readonly number[]): Promise<Answer> {
  const startedMs = performance.now();
  const { statusCode, headers, body } = await request(`${endpoint}/v1/models/${model}:predict`, {
    method: 'POST',
    body: JSON.stringify({ instances: [pixels] }),
  });
  const answer = (await body.json()) as { predictions?: number[][]; error?: string };
  const shares = answer.predictions?.[0];
  if (statusCode !== 200 || shares === undefined)
    throw new CliError('CLI_NO_SERVER', answer.error ?? `HTTP ${statusCode}.`);
  const digit = argmax(shares);
  const milliseconds = performance.now() - startedMs;
  return {
    digit,
    share: shares[digit] as number,
    milliseconds,
    predictionId: String(headers[predictionIdHeader]),
  };
}

export const start: Command = {
  usage: '',
  details:
    'What `npm start` runs: brings the dev stack up through a real `pulumi up`, asks it for a digit, and says what to do next.',
  examples: ['npm start', 'modelmile start'],
  minPositionals: 0,
  maxPositionals: 0,
  options: {},
  async run({ terminal }) {
    const startedMs = performance.now();
    await ensureStack('dev', terminal);
    terminal.progress('pulumi up: conversion, parity gate, service');
    // What a killed process left behind is not in the state: --refresh sees it.
    const up = await pulumi('dev', ['up', '--yes', '--skip-preview', '--refresh'], terminal, { show: true });
    if (up.code !== 0) return up.code === 130 ? exitCodes.interrupted : exitCodes.failed;
    const changed = !/Resources:\s+\d+ unchanged/.test(up.stdout);
    const state = await readServerState(devPaths().stateDir);
    const served = state?.models[0];
    if (state === undefined || served === undefined)
      throw new CliError('CLI_NO_SERVER', 'The server is gone again.');
    const endpoint = `http://${state.rest.host}:${state.rest.port}`;
    const heldout = await readLabelledSet(join(projectRoot, 'samples', 'digits', 'heldout.npz'));
    const pixels = Array.from(heldout.inputs.subarray(0, heldout.rowSize));
    const answer = await predict(endpoint, served.name, pixels);
    await mkdir(devPaths().home, { recursive: true });
    const curl = await curlLine(
      endpoint,
      served.name,
      { instances: [pixels] },
      join(devPaths().home, 'digit.json'),
    );

    for (const line of digitPicture(pixels)) if (line !== '') terminal.line(`    ${line}`);
    terminal.line(
      `prediction  ${answer.digit} (${percent(answer.share)}), labelled ${heldout.labels[0]}, answered in ${answer.milliseconds.toFixed(1)} ms`,
    );
    terminal.line(`model       ${served.name} version ${served.versions.at(-1)?.version}`);
    terminal.line(`endpoint    ${endpoint}/v1/models/${served.name}:predict`);
    terminal.line(`console     ${endpoint}/console`);
    terminal.line(`metrics     http://${state.management.host}:${state.management.port}/metrics`);
    terminal.line(`try         ${curl}`);
    terminal.line(
      changed
        ? 'changes     made by pulumi up, listed above'
        : 'changes     none: pulumi up found everything as it should be',
    );
    terminal.line(
      'next        draw a digit on the console and correct the answer, then: npx modelmile retrain',
    );
    terminal.line(
      '            npx modelmile serve ./your-model.h5 serves your own; npx modelmile down stops this',
    );
    terminal.document({
      endpoint,
      console: `${endpoint}/console`,
      model: served.name,
      version: served.versions.at(-1)?.version,
      predicted: answer.digit,
      label: heldout.labels[0],
      predictionId: answer.predictionId,
      changed,
      seconds: (performance.now() - startedMs) / 1000,
      curl,
    });
    return exitCodes.ok;
  },
};
