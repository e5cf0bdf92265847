import { expect, test } from 'vitest';
import { longestTotalMs, stallsFor, usualStalls } from '../../../activities/llm/stalls.ts';

const overlay = {
  'compatible/slow': { first: 900 },
  'compatible/*': { first: 700, between: 100 },
  '*': { total: 60 },
};

test('the narrower name goes first, for each of the four, and what none says is as usual', () => {
  expect(stallsFor(usualStalls, overlay, 'compatible', { model: 'slow' })).toEqual({
    ...{ firstMs: 900_000, betweenMs: 100_000, callMs: 600_000, totalMs: 60_000 },
  });
  expect(stallsFor(usualStalls, overlay, 'openai', { model: 'slow' })).toEqual({
    ...usualStalls,
    totalMs: 60_000,
  });
});

test('each attempt is more patient, up to four times, and none outlasts its activity', () => {
  const grown = (attempt: number) => stallsFor(usualStalls, overlay, 'openai', { model: 'm', attempt });
  expect([1, 2, 4, 99].map((attempt) => grown(attempt).betweenMs)).toEqual([
    180_000, 360_000, 720_000, 720_000,
  ]);
  expect(grown(99).firstMs).toBe(longestTotalMs);
  expect(stallsFor(usualStalls, {}, 'openai', { model: 'm', attempt: 2 }).totalMs).toBe(longestTotalMs);
});
