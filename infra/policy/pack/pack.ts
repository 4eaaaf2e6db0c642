/** The policy pack: `pulumi preview --policy-pack infra/policy/pack`. The rules are plain functions; this file only reports them. */
import { PolicyPack } from '@pulumi/policy';
import { describeCost, type StackResource, stackCost } from '../cost.ts';
import { rules } from '../index.ts';
import { appliesTo, type Rule } from '../rule.ts';

new PolicyPack('modelmile', {
  policies: [
    ...Object.entries(rules as Readonly<Record<string, Rule>>).map(([name, rule]) => ({
      name,
      description: rule.holds,
      enforcementLevel: rule.enforcement,
      validateResource: (
        args: { type: string; name: string; props: Record<string, unknown> },
        report: (sentence: string) => void,
      ) => {
        if (!appliesTo(rule, args.type)) return;
        for (const sentence of rule.check(args.props, args.name)) report(`${args.name}: ${sentence}`);
      },
    })),
    {
      name: 'gpu-capacity-and-cost',
      description: 'What the stack costs a month, and how many GPUs it can come to.',
      enforcementLevel: 'advisory' as const,
      validateStack: (args: { resources: readonly StackResource[] }, report: (sentence: string) => void) => {
        const cost = stackCost(args.resources);
        if (cost.usdPerMonth.most > 0) report(describeCost(cost));
      },
    },
  ],
});
