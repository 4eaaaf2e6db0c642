import type { Graph, Program } from '../ir.ts';
import { foldScales } from './fold-scales.ts';
import { fuseActivations } from './fuse-activations.ts';
import { shareResults } from './share-results.ts';

/** Exact rewrites, in order: what TFLite's own converter does before it writes. */
const passes: readonly ((graph: Graph) => Graph)[] = [shareResults, foldScales, fuseActivations];

/** The same function with fewer operations. */
export function simplify(program: Program): Program {
  const apply = (graph: Graph) => passes.reduce((current, pass) => pass(current), graph);
  return { ...program, graphs: program.graphs.map(apply) };
}
