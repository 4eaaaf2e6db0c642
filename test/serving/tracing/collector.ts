import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { BinaryReader, WireType } from '@bufbuild/protobuf/wire';

/** What a test looks at of a span. */
export interface Span {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentId: string;
  readonly name: string;
  readonly startNs: bigint;
  readonly endNs: bigint;
  readonly attributes: Readonly<Record<string, string>>;
}

type Fields = ReadonlyMap<number, readonly (Uint8Array | bigint)[]>;

/** A message's fields by number, without knowing what they mean. */
function fieldsOf(bytes: Uint8Array): Fields {
  const reader = new BinaryReader(bytes);
  const fields = new Map<number, (Uint8Array | bigint)[]>();
  while (reader.pos < reader.len) {
    const [number, type] = reader.tag();
    const values = fields.get(number) ?? [];
    fields.set(number, values);
    if (type === WireType.LengthDelimited) values.push(reader.bytes());
    else if (type === WireType.Varint) values.push(BigInt(reader.uint64()));
    else if (type === WireType.Bit64) values.push(BigInt(reader.fixed64()));
    else reader.skip(type);
  }
  return fields;
}

const children = (fields: Fields, number: number) =>
  (fields.get(number) ?? []).map((bytes) => fieldsOf(bytes as Uint8Array));
const text = (fields: Fields | undefined, number: number) =>
  Buffer.from((fields?.get(number)?.[0] ?? new Uint8Array()) as Uint8Array).toString('utf8');
const hex = (fields: Fields, number: number) =>
  Buffer.from((fields.get(number)?.[0] ?? new Uint8Array()) as Uint8Array).toString('hex');

function attributesOf(fields: Fields, number: number): Record<string, string> {
  return Object.fromEntries(
    children(fields, number).map((pair) => {
      const [value] = children(pair, 2);
      return [text(pair, 1), value?.has(3) ? String(value.get(3)?.[0]) : text(value, 1)];
    }),
  );
}

function spanOf(fields: Fields): Span {
  return {
    traceId: hex(fields, 1),
    spanId: hex(fields, 2),
    parentId: hex(fields, 4),
    name: text(fields, 5),
    startNs: (fields.get(7)?.[0] ?? 0n) as bigint,
    endNs: (fields.get(8)?.[0] ?? 0n) as bigint,
    attributes: attributesOf(fields, 9),
  };
}

/** A collector: takes OTLP over HTTP (opentelemetry/proto/trace/v1/trace.proto) and keeps the spans. */
export class Collector {
  readonly spans: Span[] = [];
  readonly resources: Record<string, string>[] = [];
  readonly paths = new Set<string>();
  /** All that came, to look for what must not be there. */
  readonly bodies: Buffer[] = [];
  readonly #server = createServer((request, response) => {
    const parts: Buffer[] = [];
    request.on('data', (part: Buffer) => parts.push(part));
    request.on('end', () => {
      this.#take(request.url ?? '', Buffer.concat(parts));
      response.writeHead(200, { 'content-type': 'application/x-protobuf' }).end();
    });
  });

  #take(path: string, body: Buffer): void {
    this.paths.add(path);
    this.bodies.push(body);
    for (const resourceSpans of children(fieldsOf(body), 1)) {
      this.resources.push(...children(resourceSpans, 1).map((resource) => attributesOf(resource, 1)));
      for (const scope of children(resourceSpans, 2)) this.spans.push(...children(scope, 2).map(spanOf));
    }
  }

  /** Answers the endpoint for the settings. */
  async start(): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
