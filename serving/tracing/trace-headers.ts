/** W3C trace context as it came: headers over HTTP, metadata over gRPC. */
export interface TraceHeaders {
  readonly traceparent?: string | undefined;
  readonly tracestate?: string | undefined;
}

const pattern = /^[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}(?:-|$)/;

/** The trace that a caller's request belongs to, whether it is traced here or not. @see https://www.w3.org/TR/trace-context/ */
export function traceIdOf({ traceparent }: TraceHeaders): string | undefined {
  const id = traceparent === undefined ? undefined : pattern.exec(traceparent)?.[1];
  return id === undefined || /^0+$/.test(id) ? undefined : id;
}
