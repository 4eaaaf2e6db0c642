/** TCP ports, TensorFlow Serving's where it has them (contract 7). */
export const ports = { rest: 8501, grpc: 8500, management: 9090 } as const;

/** Response header, and gRPC initial metadata, that carries the prediction id on every protocol. */
export const predictionIdHeader = 'x-modelmile-prediction-id';
