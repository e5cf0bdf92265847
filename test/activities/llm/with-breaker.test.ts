// The circuit breaker: when it opens, what it says, and that one probe decides.
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { type Llm, LlmError, type LlmErrorKind, type LlmPart } from '../../../activities/llm/llm.ts';
import { withBreaker } from '../../../activities/llm/with-breaker.ts';
import { streamOf } from './conformance.ts';

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['Date'], now: 1_000_000 });
});
afterEach(() => {
  vi.useRealTimers();
});

const finish: LlmPart = { type: 'finish', reason: 'stop', usage: undefined };

interface Fake extends Llm {
  asked: number;
  next: LlmErrorKind | 'fine' | Promise<void>;
}

/** A provider whose next answer is set by the test. */
function createFake(): Fake {
  const fake: Fake = {
    ...{ provider: 'fake', scripted: false, missing: undefined, models: [] },
    asked: 0,
    next: 'fine',
    async *stream() {
      fake.asked += 1;
      const { next } = fake;
      yield { type: 'text', text: 'So' };
      if (typeof next !== 'string') await next;
      else if (next !== 'fine') throw new LlmError(next, next);
      yield finish;
    },
  };
  return fake;
}

/** How asking ended: `fine`, or the error's kind and wait. */
async function ask(llm: Llm): Promise<string> {
  try {
    for await (const part of streamOf({ llm, model: 'm' })) if (part === finish) return 'fine';
    return 'silent';
  } catch (error) {
    if (!(error instanceof LlmError)) return String(error);
    return error.retryAfterMs === undefined ? error.kind : `${error.kind} for ${error.retryAfterMs}`;
  }
}

async function askTimes(times: number, llm: Llm): Promise<string[]> {
  const outcomes: string[] = [];
  for (let index = 0; index < times; index += 1) outcomes.push(await ask(llm));
  return outcomes;
}

test('after five failures in a row the provider is not asked for 30 s, and the wait is said', async () => {
  const fake = createFake();
  const llm = withBreaker(fake);
  fake.next = 'network';
  expect(await askTimes(5, llm)).toEqual(Array(5).fill('network'));
  fake.next = 'fine';
  vi.setSystemTime(1_012_000);
  expect(await ask(llm)).toBe('overloaded for 18000');
  expect(fake.asked).toBe(5);
  vi.setSystemTime(1_030_000);
  expect(await askTimes(2, llm)).toEqual(['fine', 'fine']);
});

test('a success in between and failures that waiting does not cure open nothing', async () => {
  const fake = createFake();
  const llm = withBreaker(fake);
  fake.next = 'timeout';
  await askTimes(4, llm);
  fake.next = 'fine';
  await ask(llm);
  fake.next = 'rate_limited';
  await askTimes(4, llm);
  fake.next = 'bad_request';
  expect(await askTimes(20, llm)).toEqual(Array(20).fill('bad_request'));
});

test('one probe is let through; while it runs the others are refused, and when it fails the wait begins again', async () => {
  const fake = createFake();
  const llm = withBreaker(fake);
  fake.next = 'overloaded';
  await askTimes(5, llm);
  vi.setSystemTime(1_030_000);
  const probe = Promise.withResolvers<void>();
  fake.next = probe.promise;
  const probed = ask(llm);
  await vi.waitUntil(() => fake.asked === 6);
  expect(await askTimes(3, llm)).toEqual(Array(3).fill('overloaded for 2000'));
  probe.reject(new LlmError('network', 'still down'));
  expect(await probed).toBe('network');
  expect(await ask(llm)).toBe('overloaded for 30000');
  expect(fake.asked).toBe(6);
});

test('a person who aborts is no failure of the provider', async () => {
  const fake = createFake();
  const llm = withBreaker(fake);
  for (let index = 0; index < 10; index += 1) {
    for await (const part of streamOf({ llm, model: 'm' })) if (part.type === 'text') break;
  }
  expect(await ask(llm)).toBe('fine');
});
