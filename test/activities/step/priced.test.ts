// What a step asks of a model, and what that may cost at the prices of the product.
import pino from 'pino';
import { expect, test } from 'vitest';
import type { ActivityDeps } from '../../../activities/deps.ts';
import type { LlmRequest } from '../../../activities/llm/llm.ts';
import { longestAnswerOf } from '../../../activities/llm/longest-answers.ts';
import { draw } from '../../../activities/step/draw.ts';
import { openModelCall } from '../../../activities/step/open.ts';
import { prepareRequest } from '../../../activities/step/request.ts';
import { worstCaseOf } from '../../../activities/step/worst-case.ts';
import { endAttempt, notMade } from '../../../activities/store/runs/attempts.ts';
import { modelPrice } from '../../../worker/processes/model-price.ts';
import { aRun } from '../../support/accepting.ts';
import { openTenant } from '../../support/allowances.ts';
import { anAttempt, lockedRun, openTestStore } from '../../support/store.ts';

const store = await openTestStore();
const deps = {
  log: store.log,
  logger: pino({ level: 'silent' }),
  approvalSeconds: 60,
  modelConfigOf: async () => ({}),
  place: () => null,
  windowOf: () => 128_000,
  projectText: async () => undefined,
} as unknown as ActivityDeps;
const prices = { prices: {}, unknownPriceMicrosPerMillion: { input: 20_000_000, output: 100_000_000 } };
const realPrices = modelPrice(prices);

test.each([
  'anthropic/claude-opus-5',
  'openai/gpt-5.5',
  'openai/gpt-5.6-sol',
  'compatible/of-no-known-price',
])('twelve runs of %s call side by side within 25 dollars a day', async (model) => {
  const name = model.slice(model.indexOf('/') + 1);
  // 40 kB: the instructions, the tools and some files that were read, 10,000 tokens by the tokenizers of vendors.
  const messages = [{ role: 'user' as const, text: 'const total = prices.sum();\n'.repeat(1_429) }];
  const asked: LlmRequest = {
    model: name,
    messages,
    tools: [],
    maxOutputTokens: longestAnswerOf(name, {}),
    runId: '',
    step: 1,
  };
  const worst = worstCaseOf(realPrices, model, asked);
  // A prompt is reserved near its length, and by no window of a model.
  expect(worst.inputTokens).toBeLessThanOrEqual(20_010);
  const tenant = openTenant(store);
  await tenant.limit('tenant', { dayCostMicros: 25_000_000 });
  for (let index = 0; index < 12; index += 1) {
    const run = await tenant.run([], { model });
    const task = anAttempt(run, 'model/1');
    const attempt = { task, ref: task, signal: new AbortController().signal, supersede: () => {} };
    expect(await draw({ ...deps, price: realPrices }, run, 1, attempt, asked, 0)).toBeUndefined();
  }
  const { used, held } = await tenant.pool('tenant');
  expect([used.dayCostMicros, held.dayCostMicros]).toEqual([0, 12 * worst.costMicros]);
});

test.each([
  ['openai/gpt-5.5', undefined, undefined, { maxOutputTokens: 32_000, free: false }],
  ['openai/gpt-5.5', 64_000, undefined, { maxOutputTokens: 64_000, free: false }],
  ['openai/gpt-4o', 64_000, undefined, { maxOutputTokens: 16_384, free: false }],
  ['compatible/own', undefined, undefined, { maxOutputTokens: 16_384, free: true }],
  ['compatible/own', undefined, 4_096, { maxOutputTokens: 4_096, free: true }],
  // What a run asks for its server is told, whatever it costs.
  ['compatible/own', 2_000, undefined, { maxOutputTokens: 2_000, free: false }],
])(
  'the longest answer of %s, for a run that wants %s and a configuration that says %s',
  async (model, wanted, given, asked) => {
    const limits = { ...aRun().limits, ...(wanted !== undefined && { maxOutputTokens: wanted }) };
    const { run } = await store.accept({ model, limits });
    await store.begin(run);
    const task = anAttempt(run, 'model/1');
    const opened = await store.open(task);
    if (opened.kind !== 'opened') throw new Error(opened.kind);
    const price = modelPrice({ ...prices, compatibleBaseUrl: 'http://127.0.0.1:8000/v1' });
    const llms = [{ provider: 'compatible', longestAnswer: () => given }] as unknown as ActivityDeps['llms'];
    const attempt = { task, ref: opened.ref, signal: new AbortController().signal, supersede: () => {} };
    const call = { run: opened.run, step: 1, attempt };
    const prepared = await prepareRequest({ ...deps, price, llms, tools: [] }, call, {
      earlier: 0,
      lost: 0,
      history: [],
    });
    expect(prepared).toMatchObject({ asking: { request: asked } });
  },
);

test('a price that nobody knows is told once in a run, with what is charged and the setting that gives it', async () => {
  const told = async (model: string) => {
    const { run } = await store.accept({ model });
    await store.begin(run);
    // The second try comes after a wait for money, the third after a lost answer.
    for (const [index, pauses] of [0, 1, 1].entries()) {
      const task = { ...anAttempt(run, 'model/1'), pauses, tried: index === 2 ? 2 : 1 };
      const input = { tenantId: run.tenant_id, runId: run.id, requestId: 'r', step: 1, generation: 0 };
      const attempt = { task, signal: new AbortController().signal, supersede: () => {} };
      const opened = await openModelCall(
        { ...deps, price: realPrices, llms: [] },
        input,
        attempt,
        () => undefined,
      );
      if (!('ref' in opened)) throw new Error('It was not opened.');
      if (index > 0) continue;
      await store.log.write('test', async (write) =>
        endAttempt(write, await lockedRun(write, run.id), opened.ref, notMade),
      );
    }
    const events = await store.events(run);
    expect(events.filter(({ type }) => type === 'step-start')).toHaveLength(2);
    return events.filter(({ type }) => type === 'price-unknown');
  };
  expect(await told('compatible/large')).toEqual([
    {
      type: 'price-unknown',
      payload: {
        model: 'compatible/large',
        ceiling: { inputMicros: 20_000_000, outputMicros: 100_000_000 },
        setting: 'PERDURE_PRICES',
      },
    },
  ]);
  expect(await told('openai/gpt-5.5')).toEqual([]);
  expect(await told('scripted/hello')).toEqual([]);
});
