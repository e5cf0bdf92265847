import fc from 'fast-check';
import { expect, test } from 'vitest';
import { LlmError, ServerUnreached } from '../../../activities/llm/llm.ts';
import {
  faultOf,
  firstPatience,
  isOutOfPatience,
  outcomeOfProvider,
  wasNeverReached,
} from '../../../activities/step/patience.ts';

const minute = 60_000;
const now = new Date('2026-03-02T09:00:00Z');

/** Failures so many minutes before now. */
function ago(...minutes: number[]): Date[] {
  return minutes.map((each) => new Date(now.getTime() - each * minute));
}

function every(from: number, count: number): number[] {
  return Array.from({ length: count }, (_, index) => from - index);
}

test('a provider that has failed for more than half an hour, ten times and more, is given up', () => {
  expect(isOutOfPatience(ago(...every(31, 9)), now)).toBe(true);
  expect(isOutOfPatience(ago(...every(31, 31)), now)).toBe(true);
});

test('a provider is borne with for half an hour, and until it has failed ten times', () => {
  expect(isOutOfPatience([], now)).toBe(false);
  expect(isOutOfPatience(ago(...every(29, 29)), now)).toBe(false);
  expect(isOutOfPatience(ago(...every(45, 8)), now)).toBe(false);
});

test('a server that was never reached is given up after a minute, one that has said anything is not', () => {
  expect(isOutOfPatience(ago(1.1, 0.9, 0.5), now, firstPatience)).toBe(true);
  expect(isOutOfPatience(ago(0.9, 0.5), now, firstPatience)).toBe(false);
  expect(isOutOfPatience(ago(1.1), now, firstPatience)).toBe(false);
  const unreached = outcomeOfProvider(new ServerUnreached('nothing listens there'));
  expect([[], [unreached], [unreached, 'left_alone']].map(wasNeverReached)).toEqual([true, true, true]);
  expect([['failed', unreached], ['faulty'], ['lost']].map(wasNeverReached)).toEqual([false, false, false]);
  expect(faultOf(['faulty', 'faulty', unreached], 'faulty')).toBe(undefined);
});

test('what failed before a long silence does not count: nobody asked in that time', () => {
  const friday = every(3 * 24 * 60, 40);
  expect(isOutOfPatience(ago(...friday), now)).toBe(false);
  expect(isOutOfPatience(ago(...friday, ...every(12, 12)), now)).toBe(false);
  expect(isOutOfPatience(ago(...friday, ...every(31, 31)), now)).toBe(true);
});

test('patience never ends within half an hour of the first failure, however often it failed', () => {
  fc.assert(
    fc.property(fc.array(fc.double({ min: 0, max: 30, noNaN: true }), { maxLength: 200 }), (minutes) => {
      const failed = ago(...minutes.toSorted((one, other) => other - one));
      expect(isOutOfPatience(failed, now)).toBe(false);
    }),
  );
});

function unreadable(message: string): string {
  return outcomeOfProvider(new LlmError('unreadable', message));
}

test('the same unreadable answer twice is a fault of the server, whatever its ids and times', () => {
  const [first, second, other] = [
    unreadable('not what its format promises: {"id":"chatcmpl-7af","created":1760000001,"choices":{}}'),
    unreadable('not what its format promises: {"id":"chatcmpl-9cc","created":1760000099,"choices":{}}'),
    unreadable('not what its format promises: <html>'),
  ];
  expect(second).toBe(first);
  expect(faultOf([first], second)).toBe(
    'The same unreadable answer came twice: this is a fault of the server.',
  );
  expect(faultOf(['lost', first, 'stopped'], second)).toContain('came twice');
  expect(faultOf([first], other)).toBe(undefined);
  expect(faultOf([other, first], 'faulty')).toBe('It failed 3 times in a row without an outage.');
});

test('whatever is no outage is tried three times, and an outage in between starts anew', () => {
  const timeout = outcomeOfProvider(new LlmError('timeout', 'nothing came'));
  const outage = outcomeOfProvider(new LlmError('overloaded', 'down', undefined, true));
  expect([timeout, outage]).toEqual(['faulty', 'failed']);
  expect(faultOf([timeout], timeout)).toBe(undefined);
  expect(faultOf([timeout, timeout], timeout)).toBe('It failed 3 times in a row without an outage.');
  expect(faultOf([timeout, timeout, outage, timeout, 'lost'], timeout)).toBe(undefined);
});
