import pino from 'pino';
import { expect, test } from 'vitest';
import type { ActivityDeps } from '../../../activities/deps.ts';
import { LlmError, ProviderLeftAlone } from '../../../activities/llm/llm.ts';
import { failModelCall } from '../../../activities/step/failure.ts';
import { noUse } from '../../../activities/step/use.ts';
import { openStep } from '../../../activities/store/lifecycle/answers.ts';
import { anAttempt, eventsOf, lockedRun, openTestStore } from '../../support/store.ts';

const store = await openTestStore();
const deps = {
  log: store.log,
  logger: pino({ level: 'silent' }),
  price: () => ({ costMicros: 0, priced: true }),
} as unknown as ActivityDeps;

test('the waits for a provider that is left alone are one event, use nothing and cost no patience', async () => {
  const run = await store.started();
  const verdicts: unknown[] = [];
  const errors = [
    new LlmError('overloaded', 'down', undefined, true),
    ...Array.from({ length: 12 }, (_, index) => new ProviderLeftAlone(`left alone ${index}`, 30_000)),
  ];
  for (const [index, error] of errors.entries()) {
    const task = anAttempt(run, 'model/1', index + 1);
    const opened = await store.log.write('test', async (write) =>
      openStep(write, await lockedRun(write, run.id), { step: 1, attempt: task }),
    );
    if (opened.kind !== 'opened') throw new Error(opened.kind);
    const attempt = { task, ref: opened.ref, signal: new AbortController().signal, supersede: () => {} };
    const call = { run: opened.run, step: 1, attempt };
    const verdict = await failModelCall(deps, call, error, { use: noUse(deps, run.model), closing: [] });
    verdicts.push(verdict);
  }
  expect(verdicts.slice(1)).toEqual(
    Array(12).fill(
      expect.objectContaining({ type: 'ModelOverloaded', forGood: false, retryAfterMs: 30_000 }),
    ),
  );
  const events = await eventsOf(store.database, `run/${run.id}`, run.tenant_id);
  expect(events.filter(({ type }) => /step-start|attempt-error|message-reset/.test(type))).toMatchObject([
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
