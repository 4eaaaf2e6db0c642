import { create } from '@bufbuild/protobuf';
import { ConversionError } from '../errors.ts';
import {
  graphsOf,
  type ModelProto,
  ModelProtoSchema,
  type NodeProto,
  NodeProtoSchema,
  ValueInfoProtoSchema,
} from '../onnx/index.ts';
import { openModel } from './session.ts';

/** Nothing is run: neither rewrites nor weights in the form that kernels like are needed. */
const neverRun = {
  graphOptimizationLevel: 'disabled',
  enableCpuMemArena: false,
  logSeverityLevel: 4,
  extra: { session: { disable_prepacking: '1' } },
} as const;

/** The runtime's words for an operation of which it has no description, whatever it is given. */
const unknownPattern =
  /No Op registered for|is not a registered function\/op|Op registered for .* is deprecated/;

type Operation = Pick<NodeProto, 'domain' | 'opType'>;

/** `ai.onnx` is the long form of no domain. */
const kindOf = ({ domain, opType }: Operation): string => `${domain === 'ai.onnx' ? '' : domain}:${opType}`;

/** What the runtime says of a model; undefined where it takes it. */
async function refusalOf(model: ModelProto): Promise<string | undefined> {
  try {
    const session = await openModel(model, neverRun);
    await session.release();
    return undefined;
  } catch (error) {
    if (error instanceof ConversionError) return error.what;
    throw error;
  }
}

/** A model of nothing but one such operation: whatever else is wrong with it, the runtime looks for the operation first. */
function alone({ domain, opType }: Operation, { irVersion, opsetImport }: ModelProto): ModelProto {
  const value = (name: string) =>
    create(ValueInfoProtoSchema, {
      name,
      type: { value: { case: 'tensorType', value: { elemType: 1 } } },
    });
  const node = create(NodeProtoSchema, { domain, opType, name: 'only', input: ['x'], output: ['y'] });
  const graph = { name: 'alone', node: [node], input: [value('x')], output: [value('y')] };
  return create(ModelProtoSchema, { irVersion, opsetImport, graph });
}

/** Why the runtime does not take a model. */
export interface RuntimeRefusal {
  /** Whether the runtime knows an operation. */
  knows(operation: Operation): boolean;
  /** Each operation that it does not know, once; where it knows all of them, what it says itself. */
  readonly reasons: readonly string[];
}

/** All that the runtime does not take of an ONNX model: by itself it names only the first. */
export async function runtimeRefusal(model: ModelProto): Promise<RuntimeRefusal> {
  const said = await refusalOf(model);
  if (said === undefined) return { knows: () => true, reasons: [] };
  const functions = new Set(model.functions.map(({ domain, name }) => kindOf({ domain, opType: name })));
  const nodes = new Map<string, NodeProto[]>();
  for (const node of graphsOf(model).flatMap((graph) => graph.node)) {
    const kind = kindOf(node);
    if (!functions.has(kind)) nodes.set(kind, [...(nodes.get(kind) ?? []), node]);
  }
  const unknown = new Set<string>();
  const reasons: string[] = [];
  for (const [kind, [first, ...others]] of nodes) {
    const { domain, opType, name } = first as NodeProto;
    if (!unknownPattern.test((await refusalOf(alone({ domain, opType }, model))) ?? '')) continue;
    unknown.add(kind);
    const where = others.length > 0 ? `'${name}' and ${others.length} more` : `'${name}'`;
    const whose = kind.startsWith(':') ? 'of this opset' : `of the domain ${domain}`;
    reasons.push(`operation ${where}: ONNX Runtime knows no ${opType} ${whose}`);
  }
  return {
    knows: (operation) => !unknown.has(kindOf(operation)),
    reasons: reasons.length > 0 ? reasons : [said],
  };
}
