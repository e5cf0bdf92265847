import pino from 'pino';
import { expect, test } from 'vitest';
import type { Attempt } from '../../activities/attempt.ts';
import type { ActivityDeps } from '../../activities/deps.ts';
import { draw } from '../../activities/draw.ts';
import type { LlmRequest } from '../../activities/llm/llm.ts';
import { RunStopped } from '../../activities/stops.ts';
import { release } from '../../activities/store/allowances.ts';
import { beginAttempt } from '../../activities/store/attempts.ts';
import { Superseded } from '../../activities/store/events.ts';
import type { RunRow } from '../../activities/store/runs.ts';
import { openTenant, reserved } from '../support/allowances.ts';
import { anAttempt, lockedRun, openTestStore } from '../support/store.ts';

const store = await openTestStore();
const request: LlmRequest = {
  model: 'gpt',
  messages: [],
  tools: [],
  maxOutputTokens: 100,
  runId: '',
  step: 1,
};
const deps = {
  log: store.log,
  logger: pino({ level: 'silent' }),
  approvalSeconds: 60,
  price: () => ({ costMicros: 10, priced: true }),
} as unknown as ActivityDeps;

interface Scene {
  run: RunRow;
  attempt: Attempt;
  stop(why: Error): void;
  /** Gives back what another run holds. */
  letGo(): Promise<void>;
}

/** A run that is to draw ten of fourteen, ten of which another run holds. */
async function scene(): Promise<Scene> {
  const tenant = openTenant(store);
  await tenant.limit('tenant', { costMicros: 14 });
  const [run, other] = [await tenant.run(), await tenant.run()];
  await tenant.reserve(other, {}, { costMicros: 10 });
  await store.begin(run);
  const ref = anAttempt(run, 'model/1');
  await store.log.write(async (write) => beginAttempt(write, await lockedRun(write, run.id), ref));
  const abort = new AbortController();
  return {
    run: await store.log.write((write) => lockedRun(write, run.id)),
    attempt: { ref, signal: abort.signal, supersede: () => {} },
    stop: (why) => abort.abort(why),
    async letGo() {
      const key = { tenantId: tenant.id, runId: other.id, step: 1, attempt: 1 };
      await release(store.database.db, key);
    },
  };
}

async function outcomeOf({ attempt: { ref } }: Scene): Promise<string | null> {
  const row = await store.database.db
    .selectFrom('attempts')
    .select('outcome')
    .where('run_id', '=', ref.runId)
    .executeTakeFirstOrThrow();
  return row.outcome;
}

test('what another run holds for a while is waited for', async () => {
  const { run, attempt, letGo } = await scene();
  const drawing = draw(deps, run, 1, attempt, request);
  await letGo();
  expect(await drawing).toBeUndefined();
});

test('what another run holds for too long is asked for', async () => {
  const it = await scene();
  const result = await draw(deps, it.run, 1, it.attempt, request, 300);
  expect(result).toEqual({ kind: 'paused', waits: expect.stringMatching(/^limit\//), reason: 'limit_cost' });
  expect(await outcomeOf(it)).toBe('not_made');
});

test('a stop ends the wait, and no call was made', async () => {
  const it = await scene();
  const drawing = draw(deps, it.run, 1, it.attempt, request);
  it.stop(new RunStopped('Somebody stopped the run.'));
  expect(await drawing).toEqual({ kind: 'stopped' });
  expect(await outcomeOf(it)).toBe('not_made');
});

test('whatever else ends the attempt ends the wait, and the next attempt goes on', async () => {
  const it = await scene();
  const drawing = draw(deps, it.run, 1, it.attempt, request);
  it.stop(new Error('The worker is shutting down.'));
  await expect(drawing).rejects.toThrow('The worker is shutting down.');
  expect(await outcomeOf(it)).toBeNull();
});

test('an attempt that was taken for dead draws nothing more', async () => {
  const tenant = openTenant(store);
  await tenant.limit('tenant', {});
  const run = await tenant.run();
  expect(await tenant.reserve(run, { attempt: 2 }, { costMicros: 1 })).toEqual(reserved);
  const attempt = {
    ref: anAttempt(run, 'model/1'),
    signal: new AbortController().signal,
    supersede: () => {},
  };
  await expect(draw(deps, run, 1, attempt, request)).rejects.toThrow(Superseded);
});
