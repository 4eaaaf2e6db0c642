import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { DescService } from '@bufbuild/protobuf';
import { create, toBinary } from '@bufbuild/protobuf';
import type { ServiceError } from '@grpc/grpc-js';
import { readServerState } from '../../../serving/contract/index.ts';
import { GRPCInferenceService } from '../../../serving/protocols/open-inference-grpc/generated/open_inference_pb.js';
import {
  ModelService,
  PredictionService,
} from '../../../serving/protocols/tensorflow-grpc/generated/tensorflow_serving_pb.js';
import { until } from '../../support/load.ts';
import { GrpcClient } from '../support/grpc-client.ts';
import { metricOf } from '../support/metrics.ts';
import { classifier, everyType, several } from '../support/models.ts';
import { ask } from '../support/requests.ts';
import { startServer } from '../support/server.ts';
import { type Random, seeded } from '../wire/numbers.ts';
import { FuzzConnection } from './fuzz-connection.ts';
import { edited, httpRequest } from './mutations.ts';
import { type Memory, probe } from './soak.ts';

export interface FuzzFigures {
  readonly http: number;
  readonly grpc: number;
  /** Answers by HTTP status; `none` where the request was not whole. */
  readonly statuses: Record<string, number>;
  readonly codes: Record<string, number>;
  /** Resident memory of the worker after a quarter of the requests and at the end, MiB, each time after a garbage collection. */
  readonly quarterMiB: number;
  readonly endMiB: number;
}

const atOnce = 48;
const byDesign = new Set([501, 503]);
/** UNKNOWN, INTERNAL, DATA_LOSS. */
const grpcFaults = new Set([2, 13, 15]);
const pick = <T>(random: Random, items: readonly T[]): T => items[Math.floor(random() * items.length)] as T;

const services: readonly DescService[] = [PredictionService, ModelService, GRPCInferenceService];

/** Messages that the methods take, to begin with. */
function grpcMessages(): { service: DescService; method: string; bytes: Buffer }[] {
  const content = new Uint8Array(16);
  const tensor = { dtype: 1, tensorShape: { dim: [{ size: 1n }, { size: 4n }] }, tensorContent: content };
  const infer = {
    modelName: 'classifier',
    inputs: [{ name: 'x', datatype: 'FP32', shape: [1n, 4n] }],
    rawInputContents: [content],
  };
  const first: Record<string, object> = {
    Predict: { modelSpec: { name: 'classifier' }, inputs: { x: tensor } },
    GetModelMetadata: { modelSpec: { name: 'classifier' }, metadataField: ['signature_def'] },
    GetModelStatus: { modelSpec: { name: 'classifier' } },
    ModelInfer: infer,
    ModelMetadata: { name: 'classifier' },
    ModelReady: { name: 'several' },
  };
  return services.flatMap((service) =>
    service.methods
      .filter(({ methodKind }) => methodKind === 'unary')
      .map(({ input, localName, name }) => ({
        service,
        method: localName,
        bytes: Buffer.from(toBinary(input, create(input, (first[name] ?? {}) as never))),
      })),
  );
}

async function times(count: number, one: (index: number, lane: number) => Promise<void>): Promise<void> {
  let next = 0;
  const run = async (_: unknown, lane: number) => {
    while (next < count) await one(next++, lane);
  };
  await Promise.all(Array.from({ length: atOnce }, run));
}

/** Resident memory in MiB, as the probe says it next. */
async function sampleOf(file: string): Promise<number> {
  const lines = () => (existsSync(file) ? readFileSync(file, 'utf8').trim().split('\n') : []);
  const before = lines().length;
  await until(async () => lines().length > before, 'memory is looked at');
  return (JSON.parse(lines().at(-1) as string) as Memory).residentMiB;
}

/** Malformed requests over HTTP and gRPC. Throws at an answer 5xx that is not by design, and where a worker has crashed. */
export async function fuzz(http: number, grpc: number, seed: number): Promise<FuzzFigures> {
  const random = seeded(seed);
  const folder = mkdtempSync(join(tmpdir(), 'modelmile-memory-'));
  const server = await startServer(
    { classifier: { 1: classifier }, several: { 1: several }, types: { 1: everyType } },
    { workers: 1, recordPerSecond: 0 },
    { MEMORY_PROBE: folder, NODE_OPTIONS: `--expose-gc --import=${probe}` },
  );
  const connections = Array.from({ length: atOnce }, () => new FuzzConnection(server.state.rest.port));
  const clients = new Map(services.map((service) => [service, new GrpcClient(service, server.grpc)]));
  try {
    const pid = (await readServerState(server.settings.stateDir))?.workers[0]?.pid as number;
    const statuses: Record<string, number> = {};
    const codes: Record<string, number> = {};
    const overHttp = async (_: number, lane: number) => {
      const bytes = httpRequest(random);
      const answers = await (connections[lane] as FuzzConnection).ask(bytes);
      const wrong = answers.find((status) => status >= 500 && !byDesign.has(status));
      if (wrong !== undefined)
        throw new Error(
          `seed ${seed}: ${wrong} for ${JSON.stringify(bytes.toString('latin1'))}\n${server.log()}`,
        );
      const first = answers[0] ?? 'none';
      statuses[first] = (statuses[first] ?? 0) + 1;
    };
    const messages = grpcMessages();
    const overGrpc = async () => {
      const { service, method, bytes } = pick(random, messages);
      const sent = edited(random, bytes, Math.floor(random() * 5));
      const code = await (clients.get(service) as GrpcClient<DescService>)
        .raw(method, sent)
        .then(() => 0)
        .catch((error: ServiceError) => error.code);
      if (grpcFaults.has(code))
        throw new Error(
          `seed ${seed}: ${method} answered ${code} to ${sent.toString('hex')}\n${server.log()}`,
        );
      codes[code] = (codes[code] ?? 0) + 1;
    };
    const quarter = (count: number) => Math.floor(count / 4);
    await times(quarter(http), overHttp);
    await times(quarter(grpc), overGrpc);
    const quarterMiB = await sampleOf(join(folder, `${pid}.jsonl`));
    await times(http - quarter(http), overHttp);
    await times(grpc - quarter(grpc), overGrpc);
    const endMiB = await sampleOf(join(folder, `${pid}.jsonl`));
    const { status } = await ask(`${server.rest}/v1/models/classifier:predict`, {
      instances: [[1, 2, 3, 4]],
    });
    const crashes = await metricOf(server, 'modelmile_worker_crashes_total');
    if (status !== 200 || crashes > 0)
      throw new Error(`seed ${seed}: ${crashes} crashes, afterwards ${status}\n${server.log()}`);
    return { http, grpc, statuses, codes, quarterMiB, endMiB };
  } finally {
    for (const client of [...clients.values(), ...connections]) client.close();
    await server.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}
