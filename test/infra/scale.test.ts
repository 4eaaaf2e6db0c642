import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { Profile } from '../../conversion/manifest/index.ts';
import { clusterSettings } from '../../infra/platforms/cluster-settings.ts';
import { kubernetesSettings } from '../../infra/platforms/kubernetes-settings.ts';
import { costTable, scaleAt, scaleTable, seriesPerPod } from '../../infra/scale.ts';

const page = readFileSync(new URL('../../docs/scale.md', import.meta.url), 'utf8');

describe('docs/scale.md', () => {
  it('has the table that is computed: npx tsx infra/write-pages.ts', () => {
    expect(/<!-- table -->\n([\s\S]+)\n<!-- \/table -->/.exec(page)?.[1]).toBe(scaleTable());
  });

  it('has the costs that follow from the committed profile', () => {
    const profile = Profile.parse(
      JSON.parse(readFileSync(new URL('../../samples/digits/profile.json', import.meta.url), 'utf8')),
    );
    expect(/<!-- cost -->\n([\s\S]+)\n<!-- \/cost -->/.exec(page)?.[1]).toBe(costTable(profile));
  });

  it('names the limits that the settings have', () => {
    const quota = kubernetesSettings.quota.schema.parse(undefined);
    expect(page).toContain(
      `(${quota.gpus} GPUs, ${quota.cpus} CPUs, ${quota.memoryGiB} GiB, ${quota.pods} pods)`,
    );
    const monitoring = clusterSettings.monitoring.schema.parse(undefined);
    expect(page).toContain(`${monitoring.memoryMiB / 1024} GiB hold about 400,000`);
    expect((monitoring.memoryMiB * 1024) / 5).toBeGreaterThan(400_000);
  });

  it('is right that a thousand nodes fit the default network, and 180 pods the smallest', () => {
    const thousand = scaleAt(1000, 'g6.xlarge', '10.20.0.0/16');
    expect(thousand.addressesByPrefix).toBeLessThan(thousand.addressesThere);
    expect(scaleAt(175, 'g6.xlarge', '10.20.0.0/20').addressesByPrefix).toBeLessThanOrEqual(1019);
    expect(scaleAt(185, 'g6.xlarge', '10.20.0.0/20').addressesByPrefix).toBeGreaterThan(1019);
    expect(scaleAt(185, 'g6.xlarge', '10.20.0.0/20').addressesOneByOne).toBeLessThan(1019);
  });

  it('counts series from the catalogue', () => {
    expect(seriesPerPod()).toBeGreaterThan(50);
  });
});
