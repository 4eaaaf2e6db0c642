import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { countsByType, isMade } from '../../infra/resource-graph.ts';
import { cached, findOnPath } from '../../toolchain/pulumi-cli.mjs';
import { Checkout } from '../support/checkout.ts';

/** Needs the Pulumi engine. */
const suite = (cached() ?? (await findOnPath())) === undefined ? describe.skip : describe;
const page = readFileSync(new URL('../../docs/architecture.md', import.meta.url), 'utf8');

interface State {
  readonly urn: string;
  readonly type: string;
  readonly parent?: string;
  readonly provider?: string;
  readonly dependencies?: readonly string[];
  // biome-ignore lint/suspicious/noExplicitAny: inputs are looked into by path
  readonly inputs: any;
}
interface Preview {
  readonly steps: readonly { readonly op: string; readonly newState: State }[];
}

/** Resources of a preview with what each of them waits for: at `up` these come before it, at `down` it goes before these. */
class Plan {
  readonly #states: ReadonlyMap<string, State>;
  readonly #before = new Map<string, ReadonlySet<string>>();

  constructor({ steps }: Preview) {
    this.#states = new Map(steps.map(({ newState }) => [newState.urn, newState]));
  }

  all(type: RegExp): State[] {
    return [...this.#states.values()].filter((state) => type.test(state.type));
  }

  #waitsFor(urn: string): ReadonlySet<string> {
    const known = this.#before.get(urn);
    if (known) return known;
    const found = new Set<string>();
    this.#before.set(urn, found);
    const { dependencies = [], parent, provider } = this.#states.get(urn) ?? {};
    // `urn::id`: the provider that makes it is a resource too.
    const maker = provider?.split('::').slice(0, 4).join('::');
    for (const direct of [...dependencies, parent, maker]) {
      if (direct === undefined) continue;
      found.add(direct);
      for (const further of this.#waitsFor(direct)) found.add(further);
    }
    return found;
  }

  /** Those of `later` that do not wait for every one of `earlier`. */
  hasty(later: readonly State[], earlier: readonly State[]): string[] {
    return later.flatMap((one) =>
      earlier
        .filter(({ urn }) => urn !== one.urn && !this.#waitsFor(one.urn).has(urn))
        .map(({ urn }) => `${one.type} ${nameOf(one.urn)} does not wait for ${nameOf(urn)}`),
    );
  }
}
const nameOf = (urn: string) => urn.split('::').slice(-2).join(' ').split('$').at(-1);

suite('previews without a cloud, a cluster and credentials', () => {
  let checkout: Checkout;
  const previews = new Map<string, string>();
  const preview = async (stack: string) => {
    const { code, stdout, stderr } = await checkout.modelmile('preview', stack, '--offline', '--json');
    expect(`${code} ${code === 0 ? '' : stderr}`).toBe('0 ');
    expect(stderr).toContain('a stand-in takes the place of the aws provider');
    return stdout;
  };
  const parsed = (stack: string): Preview => JSON.parse(previews.get(stack)!);

  beforeAll(async () => {
    checkout = await Checkout.create();
    for (const stack of ['dev', 'staging', 'prod']) previews.set(stack, await preview(stack));
  }, 300_000);
  afterAll(() => checkout?.remove(), 120_000);

  it.each(['dev', 'staging', 'prod'])(
    'show the same bytes of %s a second time',
    async (stack) => {
      expect(await preview(stack)).toBe(previews.get(stack));
    },
    120_000,
  );

  it('show the same text of prod a second time, to people and in logs of CI', async () => {
    const shown = async () => (await checkout.modelmile('preview', 'prod', '--offline')).stdout;
    const text = await shown();
    expect(text).toMatch(/USD a month[\s\S]+pulumi:pulumi:Stack[\s\S]+\+ \d+ to create/);
    expect(await shown()).toBe(text);
  }, 120_000);

  it('show every package in prod, all of it new, and leave its file alone', () => {
    const { steps } = parsed('prod');
    const packages = new Set(steps.map(({ newState }) => newState.type.split(':')[0]));
    for (const name of ['aws', 'docker', 'kubernetes', 'modelmile']) expect(packages).toContain(name);
    expect(new Set(steps.map(({ op }) => op))).toEqual(new Set(['create']));
    const file = (path: string | URL) => readFileSync(path, 'utf8');
    expect(file(checkout.path('Pulumi.prod.yaml'))).toBe(
      file(new URL('../../Pulumi.prod.yaml', import.meta.url)),
    );
  });

  it.each(['staging', 'prod'])('make of %s what docs/architecture.md counts', (stack) => {
    const types = parsed(stack)
      .steps.map(({ newState }) => newState.type)
      .filter(isMade);
    for (const [type, count] of countsByType(types)) expect(page).toContain(`| \`${type}\` | ${count} |`);
  });

  describe.each(['staging', 'prod'])('order what %s is made of: up in it, down against it', (stack) => {
    let plan: Plan;
    beforeAll(() => {
      plan = new Plan(parsed(stack));
    });

    it('so that everything in a namespace waits for it', () => {
      const namespaces = plan.all(/:Namespace$/).filter(({ type }) => type.startsWith('kubernetes:'));
      expect(namespaces.length).toBeGreaterThan(0);
      for (const namespace of namespaces) {
        const inside = plan
          .all(/^kubernetes:/)
          .filter(({ inputs }) => inputs.metadata?.namespace === namespace.inputs.metadata.name);
        expect(plan.hasty(inside, [namespace])).toEqual([]);
      }
    });

    it('so that pods wait for what they are fenced in by', () => {
      const denials = plan
        .all(/:NetworkPolicy$/)
        .filter(({ inputs }) => inputs.metadata.name === 'default-deny');
      expect(plan.hasty(plan.all(/:(Deployment|StatefulSet|Job)$/), denials)).toEqual([]);
    });
  });

  describe('order prod', () => {
    let plan: Plan;
    beforeAll(() => {
      plan = new Plan(parsed('prod'));
    });
    const inCluster = () => plan.all(/^kubernetes:(?!.*Provider)/);

    it.each([
      [
        'everything in the cluster',
        /^kubernetes:/,
        'the way into it',
        /:(AccessEntry|AccessPolicyAssociation)$/,
      ],
      ['everything in the cluster', /^kubernetes:/, 'the cluster', /eks\/cluster:Cluster$/],
      ['node pools', /:NodePool$/, 'the class that cleans up behind them', /v1:NodeClass$/],
      [
        'the cluster and its nodes',
        /:(eks\/cluster:Cluster|NodePool|NodeGroup)$/,
        'their way out',
        /:(NatGateway|VpcEndpoint|RouteTableAssociation)$/,
      ],
      ['secrets of a store', /:SecretProviderClass$/, 'the add-on that defines them', /:Addon$/],
      ['pods', /:(Deployment|StatefulSet|Job)$/, 'nodes to run on', /:NodePool$/],
      ['serving pods', /:Deployment$/, 'the models that they load', /:BucketObjectv2$/],
      ['serving pods', /:Deployment$/, 'database and cache', /:(rds\/instance:Instance|ReplicationGroup)$/],
    ])('so that %s (%s) wait for %s (%s)', (_, later, __, earlier) => {
      const [dependents, first] = [plan.all(later), plan.all(earlier)];
      const waiting = dependents.filter(({ type }) => !type.startsWith('pulumi:'));
      expect(Math.min(waiting.length, first.length)).toBeGreaterThan(0);
      expect(plan.hasty(waiting, first)).toEqual([]);
    });

    it('so that whoever has a role waits for what the role may do', () => {
      const roles = plan.all(/^modelmile:environment:ServiceRole$/);
      expect(roles.length).toBeGreaterThan(5);
      for (const role of roles) {
        const rights = plan
          .all(/:(RolePolicyAttachment|RolePolicy)$/)
          .filter(({ parent }) => parent === role.urn);
        expect(rights.length).toBeGreaterThan(0);
      }
      const users = plan.all(/:(eks\/cluster:Cluster|NodeGroup|FlowLog|rds\/instance:Instance)$/);
      for (const user of users) {
        const own = plan.all(/:RolePolicyAttachment$|:RolePolicy$/).filter(
          ({ parent }) =>
            plan.hasty(
              [user],
              plan.all(/iam\/role:Role$/).filter((one) => one.parent === parent),
            ).length === 0,
        );
        expect(own.length).toBeGreaterThan(0);
        expect(plan.hasty([user], own)).toEqual([]);
      }
    });

    it('and nothing in the cluster is forgotten with the cluster: its controllers take load balancers, disks and nodes away', () => {
      expect(inCluster().length).toBeGreaterThan(40);
      for (const state of inCluster()) expect(state).not.toHaveProperty('deletedWith');
    });
  });
});
