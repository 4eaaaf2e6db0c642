export interface Change {
  readonly path: string;
  readonly op: 'add' | 'delete' | 'update';
  /** undefined: the tables do not know. */
  readonly replaces: boolean | undefined;
}
export const aws: Readonly<Record<string, Readonly<Record<string, boolean>>>>;
export function replacesOn(type: string, path: string): boolean | undefined;
export function changesBetween(type: string, before: object, after: object): Change[];
