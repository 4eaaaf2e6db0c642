/** Inputs of a resource, as far as they are known: an output that is not known yet is left out. */
// biome-ignore lint/suspicious/noExplicitAny: a policy looks into inputs of any type by path
export type Inputs = Record<string, any>;

/** One thing that must hold for resources of some types. */
export interface Rule {
  /** `mandatory` stops the program before anything is made; `advisory` is printed. */
  readonly enforcement: 'mandatory' | 'advisory';
  /** What holds, as a sentence. */
  readonly holds: string;
  /** Pulumi type tokens, or the last part of one: `NodeGroup`, `Deployment`. */
  readonly types: readonly string[];
  /** What is wrong and what to do, one sentence each; nothing where all is well. */
  readonly check: (inputs: Inputs, name: string) => readonly string[];
}

/** Shorthand for rules with one demand: nothing, or the sentence. */
export const unless = (holds: boolean, sentence: string): readonly string[] => (holds ? [] : [sentence]);

/** `kubernetes:apps/v1:Deployment` -> `Deployment`. */
export const kindOf = (type: string): string => type.split(':').at(-1)!;

/** Components of ours only group: the rules are about what they make. */
export const appliesTo = (rule: Rule, type: string): boolean =>
  !type.startsWith('modelmile:') && (rule.types.includes(type) || rule.types.includes(kindOf(type)));
