// The circuit breaker: what opens it, whom it sends away for how long, and whose turn the probe is.
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import {
  type Llm,
  LlmError,
  type LlmErrorKind,
  type LlmPart,
  ProviderLeftAlone,
} from '../../../activities/llm/llm.ts';
import { withBreaker } from '../../../activities/llm/with-breaker.ts';

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['Date'], now: 1_000_000 });
});
afterEach(() => {
  vi.useRealTimers();
});

const finish: LlmPart = { type: 'finish', reason: 'stop', usage: undefined };
const outage = new LlmError('overloaded', 'down', undefined, true);

interface Fake extends Llm {
  asked: number;
  next: LlmError | 'fine' | Promise<void>;
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
      if (next instanceof Promise) await next;
      else if (next !== 'fine') throw next;
      yield { type: 'text', text: 'So' };
      yield finish;
    },
  };
  return fake;
}

/** How asking ended: `fine`, the error's kind, or how long the provider is left alone. */
async function ask(llm: Llm, runId = 'run', model = 'm'): Promise<string> {
  const request = { model, messages: [], tools: [], maxOutputTokens: 1, runId, step: 1 };
  try {
    for await (const part of llm.stream(request, new AbortController().signal))
      if (part === finish) return 'fine';
    return 'silent';
  } catch (error) {
    if (error instanceof ProviderLeftAlone) return `left alone for ${error.retryAfterMs}`;
    return error instanceof LlmError ? error.kind : String(error);
  }
}

async function askTimes(times: number, llm: Llm): Promise<string[]> {
  const outcomes: string[] = [];
  for (let index = 0; index < times; index += 1) outcomes.push(await ask(llm));
  return outcomes;
}

async function opened(): Promise<{ fake: Fake; llm: Llm }> {
  const fake = createFake();
  const llm = withBreaker(fake);
  fake.next = outage;
  expect(await askTimes(5, llm)).toEqual(Array(5).fill('overloaded'));
  return { fake, llm };
}

test('after five outages in a row the model is not asked for 30 s, and the wait is said', async () => {
  const { fake, llm } = await opened();
  fake.next = 'fine';
  vi.setSystemTime(1_012_000);
  expect(await ask(llm)).toBe('left alone for 18000');
  expect(fake.asked).toBe(5);
  vi.setSystemTime(1_030_000);
  expect(await askTimes(2, llm)).toEqual(['fine', 'fine']);
});

test('other models of the provider are asked all the same', async () => {
  const { fake, llm } = await opened();
  fake.next = 'fine';
  expect([await ask(llm), await ask(llm, 'run', 'other')]).toEqual(['left alone for 30000', 'fine']);
});

test.each<LlmErrorKind>(['network', 'timeout', 'bad_request', 'overloaded', 'context_too_long'])(
  'what is no outage never opens it: %s',
  async (kind) => {
    const fake = createFake();
    fake.next = new LlmError(kind, kind);
    expect(await askTimes(20, withBreaker(fake))).toEqual(Array(20).fill(kind));
  },
);

test('an answer or a refusal in between shows that it is there', async () => {
  const fake = createFake();
  const llm = withBreaker(fake);
  for (const between of ['fine', new LlmError('bad_request', 'no')] as const) {
    fake.next = outage;
    expect(await askTimes(4, llm)).toEqual(Array(4).fill('overloaded'));
    fake.next = between;
    await ask(llm);
  }
  fake.next = outage;
  expect(await askTimes(4, llm)).toEqual(Array(4).fill('overloaded'));
});

test('one probe is let through; the others wait longer the longer it takes, until its first word', async () => {
  const { fake, llm } = await opened();
  vi.setSystemTime(1_030_000);
  const probe = Promise.withResolvers<void>();
  fake.next = probe.promise;
  const probed = ask(llm);
  await expect.poll(() => fake.asked).toBe(6);
  expect(await ask(llm)).toBe('left alone for 2000');
  vi.setSystemTime(1_042_000);
  expect(await ask(llm)).toBe('left alone for 12000');
  vi.setSystemTime(1_142_000);
  expect(await ask(llm)).toBe('left alone for 30000');
  fake.next = 'fine';
  probe.resolve();
  expect([await probed, await ask(llm)]).toEqual(['fine', 'fine']);
});

test('a probe that fails begins the wait again; one that its reader left, or that we gave up, says nothing', async () => {
  const { fake, llm } = await opened();
  vi.setSystemTime(1_030_000);
  expect(await ask(llm)).toBe('overloaded');
  expect(await ask(llm)).toBe('left alone for 30000');
  vi.setSystemTime(1_060_000);
  fake.next = new LlmError('timeout', 'too slow');
  expect(await askTimes(2, llm)).toEqual(['timeout', 'timeout']);
  fake.next = outage;
  expect(await askTimes(2, llm)).toEqual(['overloaded', 'left alone for 30000']);
});

test('the next probe is the turn of a run that waits, not of the one that failed', async () => {
  const { fake, llm } = await opened();
  expect(await ask(llm, 'healthy')).toBe('left alone for 30000');
  vi.setSystemTime(1_030_000);
  expect(await ask(llm)).toBe('left alone for 5000');
  fake.next = 'fine';
  expect([await ask(llm, 'healthy'), await ask(llm)]).toEqual(['fine', 'fine']);
});

test('a run that waits and never comes back keeps the other no longer than 5 s', async () => {
  const { fake, llm } = await opened();
  await ask(llm, 'stopped');
  fake.next = 'fine';
  vi.setSystemTime(1_035_000);
  expect(await ask(llm)).toBe('fine');
});

test('a reader that leaves is no failure of the provider', async () => {
  const fake = createFake();
  const llm = withBreaker(fake);
  const request = { model: 'm', messages: [], tools: [], maxOutputTokens: 1, runId: 'run', step: 1 };
  for (let index = 0; index < 10; index += 1) {
    for await (const part of llm.stream(request, new AbortController().signal))
      if (part.type === 'text') break;
  }
  expect(await ask(llm)).toBe('fine');
});
