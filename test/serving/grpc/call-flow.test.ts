import { EventEmitter } from 'node:events';
import type { ServerInterceptingCallInterface } from '@grpc/grpc-js';
import { describe, expect, it } from '@jest/globals';
import { BodyLimits } from '../../../serving/body-limits.ts';
import type { ServingError } from '../../../serving/errors.ts';
import { CallFlow } from '../../../serving/grpc/call-flow.ts';

/** A call as grpc-js has it inside, and what became of it. */
function callOf(isStream: boolean) {
  const codes: number[] = [];
  const stream = Object.assign(new EventEmitter(), { close: (code: number) => codes.push(code) });
  const call = { stream, decoder: { write: (_part: Buffer): Buffer[] => [] }, incomingEncoding: 'identity' };
  const refused: unknown[] = [];
  const limits = new BodyLimits(100_000);
  const flow = new CallFlow(
    call as unknown as ServerInterceptingCallInterface,
    isStream,
    limits,
    (error) => refused.push((error as ServingError).code),
    () => {},
  );
  flow.claim('caller');
  return { flow, limits, stream, codes, refused, write: (bytes: Buffer) => call.decoder.write(bytes) };
}

const message = Buffer.from([0, 0, 0, 0, 3, 1, 2, 3]);
const later = (seconds: number) => performance.now() + seconds * 1000;

describe('a call that stands still is ended', () => {
  it.each([true, false])('where its message does not arrive (stream: %s)', (isStream) => {
    const { flow, refused, write } = callOf(isStream);
    expect(write(message.subarray(0, 6))).toEqual([]);
    flow.look(later(110));
    expect(refused).toEqual([]);
    flow.look(later(130));
    expect(refused).toEqual(['SERVING_DEADLINE']);
  });

  it('where it is opened and says nothing', () => {
    const { flow, refused } = callOf(false);
    flow.look(later(130));
    expect(refused).toEqual(['SERVING_DEADLINE']);
  });

  it('where a call of one message does not end after it', () => {
    const { flow, refused, write } = callOf(false);
    expect(write(message)).toEqual([message]);
    flow.look(later(130));
    expect(refused).toEqual(['SERVING_DEADLINE']);
  });

  it('where its answer is not read', () => {
    const { flow, codes, refused, write } = callOf(false);
    write(message);
    flow.ended();
    flow.answer(10);
    flow.look(later(110));
    expect(codes).toEqual([]);
    flow.look(later(130));
    expect([codes, refused]).toEqual([[8], []]);
  });

  it('but not a stream that waits for its next message, however long', () => {
    const { flow, codes, refused, write } = callOf(true);
    const [first] = write(message);
    flow.take(first as Buffer, () => {});
    flow.answer(10);
    flow.answered(first as Buffer, 10);
    flow.look(later(100_000));
    expect([codes, refused]).toEqual([[], []]);
  });
});

it('a call that is gone holds nothing, and nothing any more', () => {
  const { flow, limits, stream, write } = callOf(false);
  write(message);
  stream.emit('close');
  flow.answer(10);
  flow.claim('caller');
  // More than there is room for, which fits where nothing is held.
  limits.holdAnswer(1e9, 'other');
  limits.hold(1e9, 0, 'other');
});

it('messages are put together whatever the pieces they come in', () => {
  const { write } = callOf(true);
  const bytes = Buffer.concat([message, Buffer.alloc(5), message, message]);
  for (const step of [1, 3, 7, 13, 100]) {
    const found: Buffer[] = [];
    for (let at = 0; at < bytes.length; at += step) found.push(...write(bytes.subarray(at, at + step)));
    expect(found).toEqual([message, Buffer.alloc(5), message, message]);
  }
});
