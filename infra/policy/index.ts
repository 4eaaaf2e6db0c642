import * as pulumi from '@pulumi/pulumi';
import { InfraError } from '../errors.ts';
import { awsRules } from './aws.ts';
import type { StackResource } from './cost.ts';
import { kubernetesRules } from './kubernetes.ts';
import { appliesTo, type Inputs, type Rule } from './rule.ts';

/** Every rule. Mandatory ones stop a program; the pack (`infra/policy/pack`) reports all of them in a preview. */
export const rules = { ...kubernetesRules, ...awsRules } as const satisfies Record<string, Rule>;
export type RuleName = keyof typeof rules;

/** A rule that a resource does not keep. */
export interface Violation {
  readonly rule: RuleName;
  readonly resource: string;
  readonly sentence: string;
}

/** Everything that is wrong with one resource. */
export function violations(type: string, name: string, inputs: Inputs): Violation[] {
  return (Object.entries(rules) as [RuleName, Rule][]).flatMap(([rule, { check, ...row }]) =>
    appliesTo({ check, ...row }, type)
      ? check(inputs, name).map((sentence) => ({ rule, resource: `${type} ${name}`, sentence }))
      : [],
  );
}

/** The plain part of inputs: what hangs on an output is not known here, and is judged by the pack when it is. */
function plain(value: unknown): unknown {
  if (pulumi.Output.isInstance(value) || value instanceof Promise) return undefined;
  if (Array.isArray(value)) return value.map(plain);
  if (value === null || typeof value !== 'object') return value;
  if (Object.getPrototypeOf(value) !== Object.prototype) return undefined;
  const set = Object.entries(value).filter(([, one]) => one !== undefined);
  return Object.fromEntries(set.map(([key, one]) => [key, plain(one)]));
}

/** Inputs without what is not known yet; `key in inputs` still tells that it is set. */
export const knownInputs = (props: object): Inputs => plain(props) as Inputs;

/**
 * Holds the mandatory rules for every resource that is declared from now on.
 * @returns what has been declared so far, growing: at the first preview of a cluster the engine itself knows nothing of what is in it
 * @throws InfraError POLICY_VIOLATED naming the resource, the rule and the way out, before the engine hears of the resource
 */
export function enforcePolicies(): readonly StackResource[] {
  const declared: StackResource[] = [];
  pulumi.runtime.registerStackTransformation(({ type, name, props }) => {
    const inputs = knownInputs(props);
    declared.push({ type, name, props: inputs });
    const broken = violations(type, name, inputs).filter(
      ({ rule }) => rules[rule].enforcement === 'mandatory',
    );
    if (broken.length > 0) {
      throw new InfraError(
        'POLICY_VIOLATED',
        broken.map(({ rule, resource, sentence }) => `${resource}: ${sentence} (${rule}).`).join(' '),
      );
    }
    return undefined;
  });
  return declared;
}
