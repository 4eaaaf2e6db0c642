import { describe, expect, it } from '@jest/globals';
import * as pulumi from '@pulumi/pulumi';
import { hoursPerMonth, instanceTypes } from '../../infra/environment/hardware.ts';
import { describeCost, type StackResource, stackCost } from '../../infra/policy/cost.ts';
import { resourcesOf, settingsOf } from './stacks.ts';

const stack = async (changed: Readonly<Record<string, unknown>> = {}): Promise<StackResource[]> =>
  (await resourcesOf(settingsOf('prod', changed))).map(({ type, name, inputs }) => ({
    type,
    name,
    props: inputs,
  }));

describe('cost and capacity in the preview', () => {
  it('count GPUs from empty pools to every pool at its limit, and the quota they need', async () => {
    const cost = stackCost(await stack());
    expect(cost.gpus).toEqual({ least: 0, most: 10 });
    expect(cost.gpuVcpus).toBe(40);
    expect(cost.usdPerMonth.least).toBeGreaterThan(300);
    expect(cost.usdPerMonth.most).toBeGreaterThan(cost.usdPerMonth.least * 5);
    expect(describeCost(cost)).toMatch(
      /^costs \d+ USD a month .* 0 to 10 GPUs; the quota .* at least 40 vCPUs$/,
    );
  });

  it('are said in the preview itself, though at the first one the engine knows nothing of what is in the cluster', async () => {
    const said: string[] = [];
    const { info } = pulumi.log;
    Object.assign(pulumi.log, { info: (text: string) => Promise.resolve(void said.push(text)) });
    const resources = await stack({ priceFactor: 2 });
    Object.assign(pulumi.log, { info });
    expect(said).toContain(`the stack ${describeCost(stackCost(resources, 2))}`);
    const first = resources.map((one) => (one.type.startsWith('kubernetes:') ? { ...one, props: {} } : one));
    expect(describeCost(stackCost(first))).toMatch(/without 2 elastic pools, of which nothing is known yet$/);
  });

  it('show what a larger pool may come to, to the cent of its machines', async () => {
    const pool = (maxNodes: number) => ({
      nodePools: [
        { kind: 'elastic', name: 'cpu', instanceTypes: ['c7i.xlarge'], limits: { cpus: 16, memoryGiB: 64 } },
        {
          kind: 'fixed',
          name: 'gpu',
          instanceType: 'g6.xlarge',
          amiRelease: '1.34.4-20260318',
          minNodes: 1,
          maxNodes,
        },
      ],
    });
    const small = stackCost(await stack(pool(2)));
    const large = stackCost(await stack(pool(5)));
    const node = instanceTypes['g6.xlarge'].usdPerHour * hoursPerMonth;
    expect(large.usdPerMonth.most - small.usdPerMonth.most).toBeCloseTo(3 * node, 6);
    expect(large.usdPerMonth.least).toBeCloseTo(small.usdPerMonth.least, 6);
    expect(small.gpus).toEqual({ least: 1, most: 2 });
  });

  it('are less with one NAT gateway, and follow the price factor', async () => {
    const perZone = stackCost(await stack());
    const single = stackCost(await stack({ natGateways: 'single' }));
    expect(perZone.usdPerMonth.least - single.usdPerMonth.least).toBeCloseTo(2 * 0.045 * hoursPerMonth, 6);
    expect(stackCost(await stack(), 2).usdPerMonth.most).toBeCloseTo(perZone.usdPerMonth.most * 2, 6);
  });
});
