import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { unzipSync, zipSync } from 'fflate';
import { ModelProtoSchema, TensorProtoSchema } from '../../../conversion/onnx/index.ts';
import { damages } from '../tflite/mutations.ts';

/** Gives other bytes; the same random numbers damage the same places. */
export type Mutation = (bytes: Uint8Array, random: () => number) => Uint8Array;

const pick = <T>(random: () => number, options: readonly T[]): T =>
  options[Math.floor(random() * options.length)] as T;

/** Numbers, names and texts that no model has. */
const odd: readonly unknown[] = [
  -1,
  0,
  1,
  2 ** 31,
  2 ** 53,
  1e300,
  0.5,
  null,
  true,
  '',
  '../../../../tmp/escaped',
  '__proto__',
  'constructor',
  [],
  {},
  [[[[]]]],
  'x'.repeat(100_000),
];

/** Another value somewhere inside of JSON: replaced, taken out, doubled or exchanged. */
function otherJson(value: unknown, random: () => number): unknown {
  const places: { parent: Record<string, unknown>; key: string }[] = [];
  const walk = (node: unknown) => {
    if (node === null || typeof node !== 'object') return;
    for (const key of Object.keys(node)) {
      places.push({ parent: node as Record<string, unknown>, key });
      walk((node as Record<string, unknown>)[key]);
    }
  };
  walk(value);
  for (let n = 0; n < 1 + random() * 2 && places.length > 0; n++) {
    const { parent, key } = pick(random, places);
    const other = pick(random, places);
    const deeds: (() => void)[] = [
      () => {
        parent[key] = pick(random, odd);
      },
      () => {
        delete parent[key];
      },
      () => {
        parent[key] = other.parent[other.key];
      },
      () => {
        if (typeof parent[key] === 'number')
          parent[key] = (parent[key] as number) * pick(random, [1000, -1, 1e6, 1e9]);
      },
    ];
    pick(random, deeds)();
  }
  return value;
}

const text = new TextEncoder();
const jsonText = (value: unknown) => {
  try {
    return text.encode(JSON.stringify(value) ?? 'null');
  } catch {
    // The value now holds itself.
    return text.encode('{}');
  }
};

/** Digits and letters of a config that lies in the file as it is: other sizes, other classes, the length kept. */
const inPlace: Mutation = (bytes, random) => {
  const changed = bytes.slice();
  const start = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).indexOf('{"class_name"');
  if (start < 0) return changed;
  for (let n = 0; n < 1 + random() * 3; n++) {
    for (let at = start + Math.floor(random() * 2000); at < changed.length; at++) {
      const byte = changed[at] as number;
      if (byte < 48 || byte > 57) continue;
      changed[at] = 48 + Math.floor(random() * 10);
      break;
    }
  }
  return changed;
};

type Members = Record<string, Uint8Array>;
const stored = (members: Members) => zipSync(members, { level: 0 });

/** What only an archive can have. */
const archives: readonly Mutation[] = [
  (bytes, random) => {
    const members = unzipSync(bytes);
    const config = JSON.parse(new TextDecoder().decode(members['config.json']));
    return stored({ ...members, 'config.json': jsonText(otherJson(config, random)) });
  },
  (bytes, random) => {
    const members = unzipSync(bytes);
    const name = pick(random, Object.keys(members));
    return stored({ ...members, [name]: pick(random, damages)(members[name] as Uint8Array, random) });
  },
  // Members that lie elsewhere.
  (bytes, random) => {
    const members = unzipSync(bytes);
    const name = pick(random, [
      '../escaped.weights.h5',
      '/tmp/modelmile-escaped.weights.h5',
      'model.weights.h5/../../escaped',
      '..\\escaped',
      'model_0.weights.h5',
      'model_99999.weights.h5',
    ]);
    return stored({ ...members, [name]: members['model.weights.h5'] as Uint8Array });
  },
  (bytes, random) => {
    const { [pick(random, Object.keys(unzipSync(bytes)))]: _, ...rest } = unzipSync(bytes);
    return stored(rest);
  },
  // A bomb: zeros pack to a thousandth.
  (bytes, random) => {
    const name = pick(random, ['config.json', 'model.weights.h5', 'metadata.json']);
    return zipSync({ ...unzipSync(bytes), [name]: new Uint8Array(64 * 2 ** 20) }, { level: 1 });
  },
  // The directory claims other sizes: the words of its 46-byte heads from byte 20 on.
  (bytes, random) => {
    const changed = bytes.slice();
    const view = new DataView(changed.buffer);
    for (let at = 0; at + 46 < changed.length; at++) {
      if (view.getUint32(at, true) !== 0x02014b50 || random() < 0.5) continue;
      view.setUint32(at + pick(random, [20, 24, 42]), pick(random, [0, 1, 0x7fffffff, 0xfffffffe]), true);
    }
    return changed;
  },
];

/** What only ONNX can have. */
const graphs: readonly Mutation[] = [
  // Sizes that are declared and not there.
  (bytes, random) => {
    const model = fromBinary(ModelProtoSchema, bytes);
    const tensor = pick(random, model.graph!.initializer);
    if (tensor !== undefined && tensor.dims.length > 0)
      tensor.dims[Math.floor(random() * tensor.dims.length)] = pick(random, [
        0n,
        -1n,
        2n ** 31n,
        2n ** 62n,
        7n,
      ]);
    return toBinary(ModelProtoSchema, model);
  },
  // Weights in other files.
  (bytes, random) => {
    const model = fromBinary(ModelProtoSchema, bytes);
    const tensor = pick(random, model.graph!.initializer) ?? create(TensorProtoSchema, { name: 'w' });
    const location = pick(random, [
      '../../../../etc/passwd',
      '/etc/passwd',
      'model.onnx.data',
      '/dev/zero',
      '',
    ]);
    tensor.externalData = create(TensorProtoSchema, {
      externalData: [{ key: 'location', value: location }],
    }).externalData;
    tensor.dataLocation = 1;
    if (random() < 0.5) tensor.rawData = new Uint8Array(0);
    return toBinary(ModelProtoSchema, model);
  },
  // Other operators, names, attributes; nodes twice or gone.
  (bytes, random) => {
    const model = fromBinary(ModelProtoSchema, bytes);
    const { node, input, output } = model.graph!;
    const some = pick(random, node);
    const names = node.flatMap((each) => [...each.input, ...each.output]);
    const deeds: (() => void)[] = [
      () => {
        some.opType = pick(random, [
          'Loop',
          'If',
          'Nothing',
          'Expand',
          'Tile',
          'Resize',
          'Conv',
          'Gather',
          '',
        ]);
      },
      () => {
        some.input[Math.floor(random() * some.input.length)] = pick(random, names);
      },
      () => {
        some.output[0] = pick(random, names);
      },
      () => {
        for (const attribute of some.attribute) attribute.i = pick(random, [-1n, 2n ** 40n, 0n, 1000n]);
        for (const attribute of some.attribute)
          attribute.ints = attribute.ints.map(() => pick(random, [-1n, 2n ** 33n, 1n]));
      },
      () => {
        node.splice(Math.floor(random() * node.length), 1, ...(random() < 0.5 ? [some, some] : []));
      },
      () => {
        model.opsetImport.forEach((entry) => {
          entry.version = pick(random, [0n, 1n, 9999n, -1n]);
        });
      },
      () => {
        model.irVersion = pick(random, [0n, 3n, 99n, 2n ** 40n]);
      },
      () => {
        const info = pick(random, [...input, ...output]);
        const type = info.type?.value;
        if (type?.case !== 'tensorType') return;
        type.value.elemType = pick(random, [0, 8, 10, 99]);
        for (const dim of type.value.shape?.dim ?? [])
          dim.value = { case: 'dimValue', value: pick(random, [0n, -5n, 2n ** 34n, 3n]) };
      },
    ];
    pick(random, deeds)();
    return toBinary(ModelProtoSchema, model);
  },
];

/** Ways to damage a file of each format, by the end of its name. */
export const mutations: Readonly<Record<string, readonly Mutation[]>> = {
  h5: [...damages, inPlace, inPlace],
  keras: [...damages, ...archives],
  onnx: [...damages, ...graphs, ...graphs],
  tflite: damages,
};
