/**
 * The resources of a stack as a page: `modelmile preview prod --offline --json | npx tsx infra/resource-graph.ts prod` prints the
 * section of docs/architecture.md for it.
 */
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';

/** One resource of `pulumi preview --json`. */
interface Step {
  readonly urn: string;
  readonly newState?: { readonly type: string; readonly parent?: string };
}

const kindOf = (type: string) => type.split(':').at(-1)!;
const packageOf = (type: string) => type.split(':')[0]!;

/** Type -> how many, most first. */
export function countsByType(types: readonly string[]): [type: string, count: number][] {
  const counts = new Map<string, number>();
  for (const type of types) counts.set(type, (counts.get(type) ?? 0) + 1);
  return [...counts].sort(([a, m], [b, n]) => n - m || (a < b ? -1 : 1));
}

/** Types that a stack is counted by: what providers make, without the engine's own. */
export const isMade = (type: string): boolean => /^(aws|kubernetes|docker):/.test(type);

/** Components as boxes with what they make; several of one type below one parent are one box. */
function diagram(steps: readonly Step[]): string {
  const states = new Map(steps.flatMap(({ urn, newState }) => (newState ? [[urn, newState] as const] : [])));
  /** Path of component types from the stack down: what makes boxes equal. */
  const pathOf = (urn: string | undefined): string => {
    const state = urn === undefined ? undefined : states.get(urn);
    if (!state) return '';
    const above = pathOf(state.parent);
    return packageOf(state.type) === 'modelmile' && state.type !== 'modelmile:index:ConvertedModel'
      ? `${above}/${kindOf(state.type)}`
      : above;
  };
  const boxes = new Map<string, { instances: number; made: Map<string, number> }>();
  const box = (path: string) => {
    const known = boxes.get(path) ?? { instances: 0, made: new Map<string, number>() };
    boxes.set(path, known);
    return known;
  };
  for (const [urn, { type, parent }] of states) {
    if (isMade(type)) {
      const { made } = box(pathOf(parent));
      made.set(packageOf(type), (made.get(packageOf(type)) ?? 0) + 1);
    } else if (pathOf(urn) !== pathOf(parent)) box(pathOf(urn)).instances += 1;
  }
  const paths = [...boxes.keys()].filter((path) => path !== '').sort();
  const id = (path: string) => (path === '' ? 'stack' : `n${paths.indexOf(path)}`);
  const lines = paths.map((path) => {
    const { instances, made } = boxes.get(path)!;
    const title = `${path.split('/').at(-1)}${instances > 1 ? ` x ${instances}` : ''}`;
    const inside = [...made].sort().map(([name, count]) => `${count} ${name}`);
    return `  ${id(path.slice(0, path.lastIndexOf('/')))} --> ${id(path)}["${[title, ...inside].join('<br/>')}"]`;
  });
  return ['```mermaid', 'flowchart LR', ...lines, '```'].join('\n');
}

/** The section of one stack. */
export function section(stack: string, steps: readonly Step[]): string {
  const types = steps.flatMap(({ newState }) => (newState && isMade(newState.type) ? [newState.type] : []));
  const packages = countsByType(types.map(packageOf));
  const rows = countsByType(types).map(([type, count]) => `| \`${type}\` | ${count} |`);
  return [
    `### ${stack}`,
    '',
    `${types.length} resources: ${packages.map(([name, count]) => `${count} ${name}`).join(', ')}.`,
    '',
    diagram(steps),
    '',
    '| type | count |',
    '|---|---|',
    ...rows,
    '',
  ].join('\n');
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { steps } = JSON.parse(await text(process.stdin)) as { steps: Step[] };
  console.log(section(process.argv[2] ?? 'stack', steps));
}
