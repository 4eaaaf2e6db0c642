import { describe, expect, it } from '@jest/globals';
import { BodyLimits } from '../../serving/body-limits.ts';
import type { ServingError } from '../../serving/errors.ts';
import { Room } from '../../serving/room.ts';
import { holderOf, localCaller, networkOf, ScopedCaller } from '../../serving/security/caller.ts';

const size = 1200;

/** Takes all that it can. */
function fill(room: Room, holder: string | undefined): number {
  let taken = 0;
  while (room.take(1, size, holder)) taken += 1;
  return taken;
}

describe('what all callers share', () => {
  it('leaves the next as much as one took that takes all it can, and so on', () => {
    const room = new Room();
    expect(['a', 'b', 'c', 'd'].map((caller) => fill(room, caller))).toEqual([600, 300, 150, 75]);
    expect(fill(room, 'a')).toBe(0);
  });

  it('leaves less, where one may have more', () => {
    const room = new Room(3);
    expect(['a', 'b'].map((caller) => fill(room, caller))).toEqual([900, 225]);
  });

  it('gives each as much as another where they come together', () => {
    const room = new Room();
    const callers = ['a', 'b', 'c'];
    for (let round = 0; round < size; round++) for (const caller of callers) room.take(1, size, caller);
    for (const caller of callers) expect(Math.abs(room.heldBy(caller) - size / 4)).toBeLessThan(5);
  });

  it('counts those that nobody knows as one', () => {
    const room = new Room();
    expect(fill(room, undefined)).toBe(600);
    expect(room.take(600, size, 'known')).toBe(true);
  });

  it('is all there again, and forgets who had it', () => {
    const room = new Room();
    for (const holder of ['a', 'b', undefined]) room.release(fill(room, holder), holder);
    expect([room.held, room.heldBy('a'), room.heldBy(undefined)]).toEqual([0, 0, 0]);
    expect(fill(room, 'c')).toBe(600);
  });

  it('takes what is larger than all of it where nothing else is held', () => {
    const room = new Room();
    expect(room.take(2 * size, size, 'a')).toBe(true);
    expect(room.take(1, size, 'b')).toBe(false);
  });
});

it('a caller that leaves its answers unread, or its calls open, leaves others room for theirs', () => {
  const mib = 1024 * 1024;
  const limits = new BodyLimits(8 * mib);
  const until = (hold: () => void): string => {
    for (;;) {
      try {
        hold();
      } catch (error) {
        return (error as ServingError).message;
      }
    }
  };
  expect(until(() => limits.holdAnswer(mib, 'hog'))).toContain(`${128 * mib} of the same one are not read`);
  limits.holdAnswer(64 * mib, 'other');
  expect(until(() => limits.holdCall('hog'))).toContain('4096 of the same one are open');
  for (let call = 0; call < 1000; call++) limits.holdCall('other');
});

describe('whose part a request takes', () => {
  const peer = { remoteAddress: '192.0.2.1' };

  it('is that of its key or its subject, else of its address', () => {
    expect(holderOf(new ScopedCaller('jwt:alice', [], {}), peer)).toBe('jwt:alice');
    expect(holderOf(localCaller, peer)).toBe('192.0.2.1');
  });

  it.each([
    ['::ffff:192.0.2.1', '192.0.2.1'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
    ['2001:db8::7', '2001:db8:0:0::/64'],
    ['2001:db8:1:2::', '2001:db8:1:2::/64'],
    ['fe80::1%eth0', 'fe80:0:0:0::/64'],
    ['::1', '0:0:0:0::/64'],
    [undefined, ''],
  ])('the address %s is of %s', (address, network) => {
    expect(networkOf(address)).toBe(network);
  });
});
