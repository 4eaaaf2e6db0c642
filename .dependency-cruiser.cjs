/** The arrows between the rooms: conversion <- serving <- training <- infra <- cli. Held by `npm run check`. */
const rule = (name, from, to, comment) => ({ name, comment, severity: 'error', from, to });

module.exports = {
  forbidden: [
    rule(
      'no-cycles',
      {},
      { circular: true },
      'A cycle means that two files are one thing, or that one of them is in the wrong room.',
    ),
    rule(
      'conversion-is-a-leaf',
      { path: '^conversion/' },
      { path: '^(serving|training|infra|cli|toolchain|samples|bench|test)/' },
      'conversion imports no other room.',
    ),
    rule(
      'manifest-is-a-leaf',
      { path: '^conversion/manifest/' },
      { path: '^conversion/(?!manifest/)' },
      'The published contract imports nothing of the room behind it.',
    ),
    rule(
      'serving-sees-only-the-manifest',
      { path: '^serving/' },
      { path: '^(conversion/(?!manifest/)|training/|infra/|cli/|toolchain/|samples/|bench/|test/)' },
      'serving imports only conversion/manifest.',
    ),
    rule(
      'contract-is-a-leaf',
      { path: '^serving/contract/' },
      { path: '^serving/(?!contract/)' },
      'The published contract imports nothing of the room behind it.',
    ),
    rule(
      'protocols-do-not-know-each-other',
      { path: '^serving/protocols/([^/]+)/.+' },
      { path: '^serving/protocols/(?!index\\.ts)([^/]+)/.+', pathNot: '^serving/protocols/($1|wire)/' },
      'A protocol is a thin shell over dataplane.ts.',
    ),
    rule(
      'training-sees-contracts',
      { path: '^training/' },
      { path: '^(serving/(?!contract/)|infra/|cli/|toolchain/|samples/|bench/|test/)' },
      'training imports conversion and serving/contract.',
    ),
    rule(
      'infra-sees-contracts',
      { path: '^infra/(?!provider/)' },
      {
        path: '^(conversion/(?!manifest/)|serving/(?!contract/)|training/|cli/|toolchain/|samples/|bench/|test/|infra/provider/)',
      },
      'infra imports only conversion/manifest and serving/contract.',
    ),
    rule(
      'provider-may-convert',
      { path: '^infra/provider/' },
      { path: '^(serving/(?!contract/)|training/|cli/|toolchain/|samples/|bench/|test/)' },
      'The provider is a process of its own: it may run conversion and starts serving as a process.',
    ),
    rule(
      'stages-meet-in-index',
      { path: '^infra/(training|conversion|environment|service|monitoring|feedback)/' },
      {
        path: '^infra/(training|conversion|environment|service|monitoring|feedback)/',
        pathNot: '^infra/$1/',
      },
      'infra/index.ts wires the stages by passing outputs.',
    ),
    rule(
      'no-imports-of-cli',
      { pathNot: '^(cli|test|bench)/' },
      { path: '^cli/' },
      'The command line is the outermost room.',
    ),
    rule(
      'no-imports-of-tests',
      { pathNot: '^(test|bench)/' },
      { path: '^test/' },
      'Tests are never part of the product.',
    ),
    rule('not-to-unresolvable', {}, { couldNotResolve: true }, 'An import that cannot be resolved.'),
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'require', 'node', 'default', 'types'],
    },
  },
};
