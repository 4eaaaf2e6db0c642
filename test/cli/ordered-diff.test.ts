import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { orderedDiff } from '../../cli/ordered-diff.ts';

const urn = (types: string, name: string) => `urn:pulumi:prod::modelmile::${types}::${name}`;
const block = (depth: number, types: string, name: string, ...inputs: string[]) =>
  [
    `${'    '.repeat(depth)}+ ${types.split('$').at(-1)}: (create)`,
    `${'    '.repeat(depth + 1)}[urn=${urn(types, name)}]`,
    ...inputs.map((input) => '    '.repeat(depth + 1) + input),
  ].join('\n');

const stack = block(0, 'pulumi:pulumi:Stack', 'modelmile-prod');
const pools = ['a', 'b'].map((name) => block(1, 'modelmile:environment:ElasticPool', name));
const nodePools = ['a', 'b'].map((name) =>
  block(
    2,
    'modelmile:environment:ElasticPool$kubernetes:karpenter.sh/v1:NodePool',
    `${name}-pool`,
    'defaultTags: (json) {',
    '    team: "ours"',
    '}\n',
    'replicas: 2',
  ),
);
const inOrder = [stack, pools[0]!, nodePools[0]!, pools[1]!, nodePools[1]!];
const before = 'sizing\n  - 2 replicas\nPreviewing update (prod):';
const after = '    --outputs:--\n    endpoint: [unknown]\nResources:\n    + 5 to create';
const ordered = [before, ...inOrder, after].join('\n');

describe('a preview as text', () => {
  it('is the same in whatever order the engine came to the resources: the stack, then each parent with what belongs to it', () => {
    fc.assert(
      fc.property(fc.shuffledSubarray(inOrder, { minLength: inOrder.length }), (blocks) => {
        expect(orderedDiff([before, ...blocks, after].join('\n'))).toBe(ordered);
      }),
    );
  });

  it('keeps what the program says together, ahead of the resources', () => {
    const [first, ...others] = inOrder;
    const text = [before, first, 'warning: no key', '  set one', ...others, after].join('\n');
    expect(orderedDiff(text)).toBe([before, 'warning: no key', '  set one', ...inOrder, after].join('\n'));
  });

  it('leaves a preview without resources as it is', () => {
    const text = 'Previewing update (dev):\nResources:\n    3 unchanged';
    expect(orderedDiff(text)).toBe(text);
  });

  it('puts changed and unchanged resources in their places', () => {
    const text = [
      '    ~ modelmile:index:ConvertedModel: (update)',
      '        [id=model]',
      `        [urn=${urn('modelmile:index:ConvertedModel', 'model')}]`,
      '      ~ version: 1 => 2',
      '  pulumi:pulumi:Stack: (same)',
      `    [urn=${urn('pulumi:pulumi:Stack', 'modelmile-dev')}]`,
    ];
    expect(orderedDiff(text.join('\n'))).toBe([...text.slice(4), ...text.slice(0, 4)].join('\n'));
  });
});
