import {
  create,
  type DescMethod,
  type DescService,
  fromBinary,
  type MessageInitShape,
  type MessageShape,
  toBinary,
} from '@bufbuild/protobuf';
import { Client, credentials, Metadata, type ServiceError } from '@grpc/grpc-js';

interface CallOptions {
  readonly deadlineMs?: number;
  readonly key?: string;
}

/** A gRPC client for a service that protobuf-es has described; closes with `close`. */
export class GrpcClient<S extends DescService> {
  readonly #service: S;
  readonly #client: Client;

  constructor(service: S, target: string) {
    this.#service = service;
    this.#client = new Client(target, credentials.createInsecure(), {
      'grpc.max_receive_message_length': -1,
    });
  }

  /** Answers the message and the initial metadata; rejects with grpc-js's ServiceError. */
  call<M extends keyof S['method'] & string>(
    method: M,
    request: MessageInitShape<S['method'][M]['input']>,
    options: CallOptions = {},
  ): Promise<{ message: MessageShape<S['method'][M]['output']>; metadata: Metadata }> {
    const { input } = this.#service.method[method] as DescMethod;
    return this.raw(method, toBinary(input, create(input, request as never)), options) as never;
  }

  /** The same with any bytes for the request. */
  raw(
    method: string,
    bytes: Uint8Array,
    options: CallOptions = {},
  ): Promise<{ message: unknown; metadata: Metadata }> {
    const { name, output } = this.#service.method[method] as DescMethod;
    const path = `/${this.#service.typeName}/${name}`;
    return new Promise((resolve, reject) => {
      let metadata = new Metadata();
      const sent = new Metadata();
      if (options.key !== undefined) sent.set('authorization', `Bearer ${options.key}`);
      const call = this.#client.makeUnaryRequest(
        path,
        (value: Uint8Array) => Buffer.from(value),
        (value: Buffer) => fromBinary(output, value),
        bytes,
        sent,
        { deadline: Date.now() + (options.deadlineMs ?? 30_000) },
        (error: ServiceError | null, message?: unknown) =>
          error ? reject(error) : resolve({ message, metadata }),
      );
      call.on('metadata', (initial) => {
        metadata = initial;
      });
    });
  }

  close(): void {
    this.#client.close();
  }
}
