/** gRPC status codes that the service answers with (https://grpc.io/docs/guides/status-codes/). */
export const grpcStatus = {
  cancelled: 1,
  invalidArgument: 3,
  deadlineExceeded: 4,
  notFound: 5,
  permissionDenied: 7,
  resourceExhausted: 8,
  failedPrecondition: 9,
  unimplemented: 12,
  internal: 13,
  unavailable: 14,
  unauthenticated: 16,
} as const;

interface Row {
  readonly http: number;
  readonly grpc: number;
  /** What to do next. */
  readonly fix: string;
}

const bad = (fix: string): Row => ({ http: 400, grpc: grpcStatus.invalidArgument, fix });

/** Everything that the service refuses, with TensorFlow Serving's mapping of gRPC codes to HTTP. */
export const errorTable = {
  SERVING_BAD_JSON: bad('Send a JSON object.'),
  SERVING_BAD_REQUEST: bad('See /docs for the form of a request.'),
  SERVING_BAD_INPUT: bad('Send the shape and type that the signature asks for.'),
  SERVING_BAD_SIGNATURE: bad('GET .../metadata lists the signatures.'),
  SERVING_NON_FINITE_OUTPUT: bad(
    'Send other values, ask over gRPC or for binary tensors, or let the server set nonFinite to token or null.',
  ),
  SERVING_BAD_LABEL: bad('Use a version, or a label of the settings.'),
  SERVING_MODEL_NOT_FOUND: {
    http: 404,
    grpc: grpcStatus.notFound,
    fix: 'GET /v2/repository/index lists the models.',
  },
  SERVING_VERSION_NOT_FOUND: {
    http: 404,
    grpc: grpcStatus.notFound,
    fix: 'GET /v1/models/<model> lists the versions.',
  },
  SERVING_PREDICTION_NOT_FOUND: {
    http: 404,
    grpc: grpcStatus.notFound,
    fix: 'Send the header x-modelmile-prediction-id of an answer of this server; beyond recordPerSecond, or 16 MiB a second, not every prediction is kept.',
  },
  SERVING_REQUEST_NOT_FOUND: {
    http: 404,
    grpc: grpcStatus.notFound,
    fix: 'Answers are kept for asyncRequests.expireSeconds, for who asked.',
  },
  SERVING_NO_RESULT: {
    http: 409,
    grpc: grpcStatus.failedPrecondition,
    fix: 'GET /async/requests/<id> says when it is done.',
  },
  SERVING_QUEUE_UNAVAILABLE: {
    http: 503,
    grpc: grpcStatus.unavailable,
    fix: 'Try again; the server log says why the database is away.',
  },
  SERVING_NO_ROUTE: { http: 404, grpc: grpcStatus.unimplemented, fix: 'See /docs for the paths.' },
  SERVING_METHOD_NOT_ALLOWED: { http: 405, grpc: grpcStatus.unimplemented, fix: 'See /docs for the method.' },
  SERVING_BODY_TOO_LARGE: {
    http: 413,
    grpc: grpcStatus.resourceExhausted,
    fix: 'Send fewer rows, or raise maxBodyBytes.',
  },
  SERVING_OVERLOADED: {
    http: 429,
    grpc: grpcStatus.resourceExhausted,
    fix: 'Try again after the seconds in Retry-After.',
  },
  SERVING_DEADLINE: {
    http: 504,
    grpc: grpcStatus.deadlineExceeded,
    fix: 'Send less at once, or raise requestTimeoutMs.',
  },
  SERVING_CANCELLED: { http: 499, grpc: grpcStatus.cancelled, fix: 'The client went away.' },
  SERVING_NOT_READY: {
    http: 503,
    grpc: grpcStatus.unavailable,
    fix: 'Wait for /readyz on the management port.',
  },
  SERVING_FEEDBACK_UNAVAILABLE: {
    http: 503,
    grpc: grpcStatus.unavailable,
    fix: 'Try again; the server log says why the database is away.',
  },
  SERVING_FOREIGN_HOST: {
    http: 403,
    grpc: grpcStatus.permissionDenied,
    fix: 'Without authentication only this machine may ask, by the names localhost, 127.0.0.1 or [::1].',
  },
  SERVING_UNIMPLEMENTED: { http: 501, grpc: grpcStatus.unimplemented, fix: 'This server does not offer it.' },
  SERVING_UNAUTHENTICATED: {
    http: 401,
    grpc: grpcStatus.unauthenticated,
    fix: 'Send Authorization: Bearer <key>.',
  },
  SERVING_FORBIDDEN: {
    http: 403,
    grpc: grpcStatus.permissionDenied,
    fix: 'Use a key that is allowed this model and verb.',
  },
  SERVING_AUTH_UNAVAILABLE: {
    http: 503,
    grpc: grpcStatus.unavailable,
    fix: 'Try again; the server log says why the issuer cannot be asked.',
  },
  SERVING_RATE_LIMITED: {
    http: 429,
    grpc: grpcStatus.resourceExhausted,
    fix: 'Try again after the seconds in Retry-After, or ask for a higher limit.',
  },
  SERVING_INFERENCE_FAILED: { http: 500, grpc: grpcStatus.internal, fix: 'The server log has the details.' },
  SERVING_BAD_SETTINGS: { http: 400, grpc: grpcStatus.invalidArgument, fix: 'Mend the settings file.' },
  SERVING_LOAD_FAILED: {
    http: 409,
    grpc: grpcStatus.failedPrecondition,
    fix: 'What served before, if anything did, serves on.',
  },
  SERVING_STORE_UNAVAILABLE: {
    http: 503,
    grpc: grpcStatus.unavailable,
    fix: 'What was loaded, if anything was, serves on; the repository is asked again at the next reload.',
  },
  SERVING_PORT_IN_USE: {
    http: 500,
    grpc: grpcStatus.internal,
    fix: 'Stop the other process, or choose another port.',
  },
  SERVING_ALREADY_RUNNING: {
    http: 409,
    grpc: grpcStatus.failedPrecondition,
    fix: 'One server owns a state folder: stop it, or use another folder.',
  },
  SERVING_NOT_SAFE: {
    http: 500,
    grpc: grpcStatus.internal,
    fix: 'Either set keysFile (or jwt, or tls.clientCaFile) in the settings, or, for a container that only this machine can reach, run it with -e MODELMILE_AUTH=none -p 127.0.0.1:8501:8501.',
  },
} as const satisfies Record<string, Row>;

export type ServingErrorCode = keyof typeof errorTable;

/** Messages quote what a client sent, which is as long as it likes. */
const maxMessageLength = 2_000;

/** The beginning of a text; half a character would be no text, and gRPC's headers take none. */
const cut = (text: string, length: number): string =>
  `${text.slice(0, length).replace(/[\uD800-\uDBFF]$/, '')}...`;

/** A text that ends with one full stop. */
function sentence(text: string): string {
  let end = text.length;
  while (end > 0 && '. \n'.includes(text[end - 1] as string)) end--;
  return `${text.slice(0, end)}.`;
}

/** A refusal: what was expected, what came, what to do, and where it helps a request that works. */
export class ServingError extends Error {
  override readonly name = 'ServingError';
  readonly code: ServingErrorCode;
  /** A body that this endpoint answers, as JSON text. */
  readonly example: string | undefined;
  /** For 429 and 503: when to try again. */
  retryAfterSeconds = 1;

  constructor(code: ServingErrorCode, message: string, example?: string) {
    super(message.length > maxMessageLength ? cut(message, maxMessageLength) : message);
    this.code = code;
    this.example = example;
  }

  get http(): number {
    return errorTable[this.code].http;
  }

  get grpc(): number {
    return errorTable[this.code].grpc;
  }

  /** One text with what to do next, and the example. */
  describe(): string {
    const example = this.example === undefined ? '' : ` A request that works: ${this.example}`;
    return `${sentence(this.message)} ${errorTable[this.code].fix}${example}`;
  }
}
