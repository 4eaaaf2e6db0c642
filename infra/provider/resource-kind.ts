/** Inputs or outputs of a resource, as the engine sends them. */
export type Props = Readonly<Record<string, unknown>>;

export interface CheckFailure {
  readonly property: string;
  readonly reason: string;
}

/** One resource of the provider; a row in main.ts. Errors carry a sentence for the user and never a stack trace. */
export interface ResourceKind {
  /** Completes the inputs: what it adds is what a preview shows. */
  check(olds: Props | undefined, news: Props): Promise<{ inputs: Props; failures: readonly CheckFailure[] }>;
  /** Inputs whose change replaces the resource; every other change updates it. */
  readonly replaceOn: readonly string[];
  create(inputs: Props): Promise<{ id: string; outs: Props }>;
  update(olds: Props, news: Props): Promise<Props>;
  /** @returns undefined where it is gone. */
  read(id: string, props: Props): Promise<Props | undefined>;
  delete(id: string, props: Props): Promise<void>;
}
