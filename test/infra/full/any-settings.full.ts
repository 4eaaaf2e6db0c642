/** 500 settings of staging and 400 of prod, in fifty chunks. */
import * as pulumi from '@pulumi/pulumi';
import { fullCount } from '../../support/full-count.ts';
import { prodIsSound, stagingIsSound } from '../any-settings.ts';

const chunk = { staging: 10, prod: 8 };
// The reasons of a thousand plans are of no use here.
const silent = () => Promise.resolve();
Object.assign(pulumi.log, { info: silent, warn: silent });

await fullCount(import.meta.url, {
  title: 'Any valid settings',
  what: 'Random valid settings, whose manifests must fit the schemas of Kubernetes and of their custom resources and whose resources must keep every policy.',
  chunks: 50,
  async run(_, seed) {
    await stagingIsSound(chunk.staging, seed);
    await prodIsSound(chunk.prod, seed);
    return chunk;
  },
  report: (all) => ({
    'settings of staging': all.reduce((sum, { staging }) => sum + staging, 0),
    'settings of prod': all.reduce((sum, { prod }) => sum + prod, 0),
    failed: 0,
  }),
});
