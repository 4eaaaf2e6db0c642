/** `    + aws:ec2/vpc:Vpc: (create)`: where the engine begins to tell of a resource. */
const heading = /^ *\S* *[\w-]+:[\w./-]+:[\w-]+: \([\w -]+\)/;
const urnLine = /^ *\[urn=(.+)\]$/;
/** `    --outputs:--` of the stack, and what comes after it. */
const ending = /^ {4}--outputs:--|^Resources:/;
/** Of a resource: the stack's own are the outermost. Messages of the program begin further left. */
const ofResource = /^ {4}|^$/;

interface Block {
  readonly lines: string[];
  urn: string;
}

/** `urn:pulumi:<stack>::<project>::<type of the parent's parent>$<of the parent>$<its own>::<name>` */
function partsOf(urn: string): { types: string; name: string } {
  const [, , types = '', ...name] = urn.split('::');
  return { types, name: name.join('::') };
}

/**
 * Where each resource stands in the tree: its ancestors and itself. A URN has the types of its ancestors only; of several of that type the
 * parent is the one whose name a child's name continues.
 */
function placesOf(urns: readonly string[]): Map<string, readonly string[]> {
  const resources = urns.map((urn) => ({ urn, ...partsOf(urn) }));
  const places = new Map<string, readonly string[]>();
  const ofName = (types: string, name: string): readonly string[] => {
    const [own = '', ...above] = types.split('$').reverse();
    const self = `${own} ${name}`;
    // The stack is above all others.
    if (above.length === 0) return own === 'pulumi:pulumi:Stack' ? [] : [self];
    const parentTypes = above.reverse().join('$');
    const named = resources.filter((one) => one.types === parentTypes).map((one) => one.name);
    const [parent = ''] = named.sort(
      (a, b) =>
        Number(name.startsWith(b)) - Number(name.startsWith(a)) || b.length - a.length || (a < b ? -1 : 1),
    );
    return [...ofName(parentTypes, parent), self];
  };
  for (const { urn, types, name } of resources) places.set(urn, ofName(types, name));
  return places;
}

function compare(a: readonly string[], b: readonly string[]): number {
  const at = a.findIndex((part, i) => part !== b[i]);
  if (at < 0) return a.length - b.length;
  return b[at] !== undefined && (a[at] as string) < b[at] ? -1 : 1;
}

/**
 * What `pulumi preview --diff` said, in an order that does not depend on which resource the engine came to first: what the program says,
 * then the resources by their URN, parents first, then the stack's outputs and the counts. Two previews of the same are the same text.
 */
export function orderedDiff(text: string): string {
  const head: string[] = [];
  const blocks: Block[] = [];
  const tail: string[] = [];
  let inside: string[] | undefined;
  for (const line of text.split('\n')) {
    if (tail.length > 0 || (blocks.length > 0 && ending.test(line))) tail.push(line);
    else if (heading.test(line)) {
      inside = [line];
      blocks.push({ lines: inside, urn: '' });
    } else if (inside !== undefined && ofResource.test(line)) {
      inside.push(line);
      const block = blocks.at(-1) as Block;
      block.urn ||= urnLine.exec(line)?.[1] ?? '';
    } else {
      inside = undefined;
      head.push(line);
    }
  }
  const places = placesOf(blocks.map(({ urn }) => urn));
  blocks.sort((a, b) => compare(places.get(a.urn) ?? [], places.get(b.urn) ?? []));
  return [...head, ...blocks.flatMap(({ lines }) => lines), ...tail].join('\n');
}
