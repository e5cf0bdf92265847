import { sql } from 'kysely';
import pino from 'pino';
import { describe, expect, test } from 'vitest';
import type { ActivityDeps } from '../../../activities/deps.ts';
import { LlmError, ProviderLeftAlone, ServerUnreached } from '../../../activities/llm/llm.ts';
import { failModelCall } from '../../../activities/step/failure.ts';
import { noUse } from '../../../activities/step/use.ts';
import { openStep } from '../../../activities/store/lifecycle/answers.ts';
import type { RunRow } from '../../../activities/store/runs/runs.ts';
import { anAttempt, eventsOf, lockedRun, openTestStore } from '../../support/store.ts';

const store = await openTestStore();
const deps = {
  log: store.log,
  logger: pino({ level: 'silent' }),
  price: () => ({ costMicros: 0, priced: true }),
} as unknown as ActivityDeps;

/** The verdict on the next attempt of the run's step under way, which fails with the error. */
async function failNext(run: RunRow, tried: number, error: LlmError): Promise<unknown> {
  const opened = await store.log.write('test', async (write) => {
    const locked = await lockedRun(write, run.id);
    const step = locked.steps + 1;
    return openStep(write, locked, {
      step,
      attempt: anAttempt(run, `model/${step}`, tried),
      keep: async () => 'kept',
    });
  });
  if (opened.kind !== 'opened') throw new Error(opened.kind);
  const task = anAttempt(run, opened.ref.unit, tried);
  const attempt = { task, ref: opened.ref, signal: new AbortController().signal, supersede: () => {} };
  const call = { run: opened.run, step: opened.run.steps + 1, attempt };
  return failModelCall(deps, call, error, { use: noUse(deps, run.model), closing: [] });
}

/** What was told of attempts. */
async function toldOf(run: RunRow) {
  const events = await eventsOf(store.database, `run/${run.id}`, run.tenant_id);
  return events.filter(({ type }) => /step-start|attempt-error|message-reset/.test(type));
}

test('the waits for a provider that is left alone are one event, use nothing and cost no patience', async () => {
  const run = await store.started();
  const verdicts: unknown[] = [];
  const errors = [
    new LlmError('overloaded', 'down', undefined, true),
    ...Array.from({ length: 12 }, (_, index) => new ProviderLeftAlone(`left alone ${index}`, 30_000)),
  ];
  for (const [index, error] of errors.entries()) verdicts.push(await failNext(run, index + 1, error));
  expect(verdicts.slice(1)).toEqual(
    Array(12).fill(
      expect.objectContaining({ type: 'ModelOverloaded', forGood: false, retryAfterMs: 30_000 }),
    ),
  );
  expect(await toldOf(run)).toMatchObject([
    { type: 'step-start' },
    { type: 'attempt-error', payload: { attempt: 1, reason: 'down' } },
    { type: 'message-reset' },
    { type: 'attempt-error', payload: { attempt: 2, reason: 'left alone 0' } },
  ]);
  const used = await store.database.db
    .selectFrom('model_calls')
    .select('attempt')
    .where('run_id', '=', run.id)
    .execute();
  expect(used).toEqual([{ attempt: 1 }]);
});

describe('a server that cannot be reached', () => {
  const unreached = new ServerUnreached('no connection to http://h');
  const leftAlone = new ProviderLeftAlone('left alone: no connection to http://h', 30_000, true);

  /** As if the failures so far had come a minute and a second earlier. */
  async function letMinutePass(run: RunRow): Promise<void> {
    await sql`update attempts set ended_at = ended_at - interval '61 seconds' where run_id = ${run.id}`.execute(
      store.database.db,
    );
  }

  test.each([unreached, leftAlone])(
    'is tried for a minute when the run has not heard of it yet: $name',
    async (last) => {
      const run = await store.started();
      const again = { type: 'ModelNetwork', forGood: false };
      expect(await failNext(run, 1, unreached)).toMatchObject(again);
      expect(await failNext(run, 2, leftAlone)).toMatchObject({ ...again, type: 'ModelOverloaded' });
      await letMinutePass(run);
      expect(await failNext(run, 3, last)).toMatchObject({ type: 'ModelUnavailable', forGood: true });
      expect((await toldOf(run)).at(-1)).toMatchObject({
        type: 'attempt-error',
        payload: {
          reason: expect.stringMatching(/no connection to http:\/\/h\. .*tried for a minute/),
          retry: false,
        },
      });
    },
  );

  test('is tried for longer when it has said anything, be it that it is overloaded', async () => {
    const run = await store.started();
    await failNext(run, 1, new LlmError('overloaded', 'down', undefined, true));
    await failNext(run, 2, unreached);
    await letMinutePass(run);
    expect(await failNext(run, 3, unreached)).toMatchObject({ forGood: false });
  });

  test('is tried for longer in a later step', async () => {
    const run = await store.started();
    await sql`update runs set steps = 1 where id = ${run.id}`.execute(store.database.db);
    await failNext(run, 1, unreached);
    await failNext(run, 2, unreached);
    await letMinutePass(run);
    expect(await failNext(run, 3, unreached)).toMatchObject({ forGood: false });
  });
});

describe('a run with fallbacks', () => {
  const preset = { id: 'a', version: 1, variables: {}, fallbacks: ['scripted/second', 'scripted/third'] };
  const refused = new LlmError('auth', 'The key is wrong');
  const outage = new LlmError('overloaded', 'down', undefined, true);

  test('goes on with the next model where one refuses, and fails with the last', async () => {
    const run = await store.started({ preset });
    const seen: unknown[] = [];
    for (const tried of [1, 2, 3]) {
      const verdict = await failNext(await store.run(run.id), tried, refused);
      seen.push([(await store.run(run.id)).model, (verdict as { forGood: boolean }).forGood]);
    }
    expect(seen).toEqual([
      ['scripted/second', false],
      ['scripted/third', false],
      ['scripted/third', true],
    ]);
    const told = (await toldOf(run)).flatMap(({ type, payload }) =>
      type === 'attempt-error' ? [[payload.reason, payload.retry]] : [],
    );
    expect(told).toEqual([
      ['The key is wrong. The run goes on with scripted/second.', true],
      ['The key is wrong. The run goes on with scripted/third.', true],
      ['The key is wrong', false],
    ]);
  });

  test('bears an outage for a minute, and each model has its own', async () => {
    const run = await store.started({ preset });
    const models: string[] = [];
    for (let tried = 1; tried <= 6; tried += 1) {
      await failNext(await store.run(run.id), tried, outage);
      models.push((await store.run(run.id)).model.replace('scripted/', ''));
      // Half a minute goes by.
      await sql`update attempts set ended_at = ended_at - interval '31 seconds' where run_id = ${run.id}`.execute(
        store.database.db,
      );
    }
    expect(models).toEqual(['hello', 'hello', 'second', 'second', 'second', 'third']);
  });

  test('stays with its model where another would do no better', async () => {
    const run = await store.started({ preset });
    const verdict = await failNext(run, 1, new LlmError('context_too_long', 'Too long'));
    expect([verdict, (await store.run(run.id)).model]).toEqual([
      expect.objectContaining({ type: 'ModelContextTooLong', forGood: true }),
      'scripted/hello',
    ]);
  });
});
