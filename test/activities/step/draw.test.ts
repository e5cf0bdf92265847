import pino from 'pino';
import { expect, test } from 'vitest';
import type { ActivityDeps, Attempt } from '../../../activities/deps.ts';
import { draw } from '../../../activities/step/draw.ts';
import type { LlmRequest } from '../../../activities/llm/llm.ts';
import { RunStopped } from '../../../activities/store/runs/stops.ts';
import type { Limits } from '../../../activities/store/allowances/list-allowances.ts';
import { type ApprovalRow, answerApproval } from '../../../activities/store/approvals/approvals.ts';
import { beginAttempt } from '../../../activities/store/runs/attempts.ts';
import { Superseded } from '../../../activities/store/log/events.ts';
import { findLimitQuestion } from '../../../activities/store/approvals/money-questions.ts';
import type { OverBudget } from '../../../workflows/contracts/run.ts';
import type { RunRow } from '../../../activities/store/runs/runs.ts';
import { askForOwn, openTenant, reserved, closeUnused } from '../../support/allowances.ts';
import { anAttempt, eventsOf, lockedRun, openTestStore } from '../../support/store.ts';

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
  limit(limits: Partial<Limits>): Promise<unknown>;
  /** The other run's call ends, and has used so much. */
  use(costMicros: number): Promise<unknown>;
  /** Gives back what another run holds. */
  letGo(): Promise<void>;
  /** What is held of the tenant's money. */
  held(): Promise<number>;
}

/** A run that is to draw ten of fourteen, ten of which another run holds. */
async function scene(
  pauses = 0,
  before?: (run: RunRow) => Promise<unknown>,
  overBudget: OverBudget = 'pause',
): Promise<Scene> {
  const tenant = openTenant(store);
  await tenant.limit('tenant', { costMicros: 14 });
  const [run, other] = [await tenant.run([], { overBudget }), await tenant.run()];
  await tenant.reserve(other, {}, { costMicros: 10 });
  await store.begin(run);
  await before?.(run);
  const task = { ...anAttempt(run, 'model/1'), pauses };
  const { ref } = await store.log.write('test', async (write) =>
    beginAttempt(write, await lockedRun(write, run.id), task),
  );
  const abort = new AbortController();
  return {
    run: await store.log.write('test', (write) => lockedRun(write, run.id)),
    attempt: { task, ref, signal: abort.signal, supersede: () => {} },
    stop: (why) => abort.abort(why),
    limit: (limits) => tenant.limit('tenant', limits),
    use: (costMicros) => tenant.closeReservation(other, {}, { costMicros }),
    held: async () => (await tenant.pool('tenant')).held.costMicros,
    async letGo() {
      const key = { tenantId: tenant.id, runId: other.id, step: 1, attempt: 1 };
      await closeUnused(store.database.db, key);
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
  const question = await findLimitQuestion(store.database.db, it.run, 'open');
  expect(question?.text).toBe(
    'The allowance tenant has $0.000014 in all: $0.00 are used and $0.00001 held, the next call may need ' +
      '$0.00001, and $0.000006 are missing. What is held may come back when the calls that hold it end; the run ' +
      'then goes on by itself. No answer here raises an allowance. A person with a token of this server can, and the run ' +
      'then goes on by itself: perdure allowances tenant --cost DOLLARS --reason WHY. Approve to try again without that.',
  );
});

test('a day that is used up is said to pass at midnight', async () => {
  const it = await scene();
  await it.use(10);
  await it.limit({ dayCostMicros: 14, costMicros: 0 });
  expect(await draw(deps, it.run, 1, it.attempt, request, 0)).toMatchObject({ kind: 'paused' });
  const question = await findLimitQuestion(store.database.db, it.run, 'open');
  const ends =
    /The period ends at (\S+T00:00:00\.000Z), and the run goes on by itself when there is room then\./;
  const endsAt = ends.exec(question?.text ?? '')?.[1] ?? '';
  expect(question?.deadline_at.getTime()).toBeGreaterThan(Date.parse(endsAt) + 59_000);
});

test('a run that fails over its budget asks nobody for what is used up, and says what is missing', async () => {
  const it = await scene(0, undefined, 'fail');
  await it.use(10);
  const missing =
    'The allowance tenant has $0.000014 in all: $0.00001 are used, the next call may need $0.00001, and $0.000006 ' +
    'are missing.';
  expect(await draw(deps, it.run, 1, it.attempt, request, 0)).toEqual({
    kind: 'limit',
    reason: 'limit_cost',
    detail: missing,
  });
  expect(await outcomeOf(it)).toBe('not_made');
  expect(await findLimitQuestion(store.database.db, it.run)).toBeUndefined();
});

test('a run that fails over its budget waits ten minutes at most for what other calls hold', async () => {
  const it = await scene(0, undefined, 'fail');
  const patient = { ...deps, approvalSeconds: 86_400 };
  expect(await draw(patient, it.run, 1, it.attempt, request, 0)).toMatchObject({ kind: 'paused' });
  const { deadline_at, text } = await questionOf(it);
  expect(Math.abs(deadline_at.getTime() - Date.now() - 600_000)).toBeLessThan(30_000);
  expect(text).toContain(
    `the run then goes on by itself. Else the run fails at ${deadline_at.toISOString()}. `,
  );
});

test('a call that is more than a whole day has is waited for no longer than people have to answer', async () => {
  const it = await scene();
  await it.limit({ dayCostMicros: 9, costMicros: 0 });
  expect(await draw(deps, it.run, 1, it.attempt, request, 0)).toMatchObject({ kind: 'paused' });
  const question = await findLimitQuestion(store.database.db, it.run, 'open');
  expect(question?.deadline_at.getTime()).toBeLessThanOrEqual(Date.now() + 60_000);
});

/** Something happens between the last try and the question. */
function meanwhile(happens: () => Promise<unknown>): ActivityDeps {
  const write: typeof store.log.write = async (name, act) => {
    await happens();
    return store.log.write(name, act);
  };
  return { ...deps, log: { ...store.log, write } };
}

test('a threshold that the question itself reaches is told with it', async () => {
  const it = await scene();
  const result = await draw(
    meanwhile(() => it.use(10)),
    it.run,
    1,
    it.attempt,
    request,
    0,
  );
  expect(result).toMatchObject({ kind: 'paused' });
  const events = await eventsOf(store.database, `run/${it.run.id}`, it.run.tenant_id);
  expect(events.filter(({ type }) => type === 'budget-warning')).toMatchObject([
    { payload: { limit: 'costMicros', percent: 100, used: 10, allowed: 14 } },
  ]);
});

test('a model that is closed to the run before it asks for more money is denied all the same', async () => {
  const it = await scene();
  const closing = meanwhile(() => it.limit({ models: ['openai/gpt'] }));
  expect(await draw(closing, it.run, 1, it.attempt, request, 0)).toEqual({
    kind: 'limit',
    reason: 'allowance_denied',
    detail: 'The allowance tenant does not list the model scripted/hello.',
  });
  expect(await outcomeOf(it)).toBe('not_made');
});

test('a step that waited a hundred times ends its run for want of money and not as broken', async () => {
  const last = await scene(99);
  expect(await draw(deps, last.run, 1, last.attempt, request, 0)).toEqual({
    kind: 'limit',
    reason: 'limit_cost',
    detail: 'It had to wait for more in one step too many times.',
  });
  expect(await outcomeOf(last)).toBe('not_made');
  const before = await scene(98);
  expect(await draw(deps, before.run, 1, before.attempt, request, 0)).toMatchObject({ kind: 'paused' });
});

/** The answer to the first COMMIT is lost, and then something happens. */
function committedInVain(happens: () => Promise<unknown> = async () => undefined): ActivityDeps {
  let commits = 0;
  const write: typeof store.log.write = async (name, act) => {
    const result = await store.log.write(name, act);
    commits += 1;
    if (commits > 1) return result;
    await happens();
    throw new Error('Connection terminated unexpectedly');
  };
  return { ...deps, log: { ...store.log, write } };
}

/** Has a question put at a step, and approves it. */
function granted(step: number) {
  return async (run: RunRow) => {
    await grant(run, await askForOwn(store, run, step));
  };
}

async function grant(run: RunRow, id: string): Promise<void> {
  await store.log.write('test', async (write) =>
    answerApproval(write, await lockedRun(write, run.id), id, { status: 'approved', by: 'ada' }),
  );
}

async function questionOf({ run }: Scene): Promise<ApprovalRow> {
  const question = await findLimitQuestion(store.database.db, run);
  if (!question) throw new Error('Nothing was asked.');
  return question;
}

test('a question whose COMMIT was not heard of is waited for, also when it is answered by then', async () => {
  for (const answered of [false, true]) {
    const it = await scene(0, granted(1));
    const answer = async () => answered && grant(it.run, (await questionOf(it)).id);
    const result = await draw(committedInVain(answer), it.run, 1, it.attempt, request, 0);
    const { id, status } = await questionOf(it);
    expect(result).toEqual({ kind: 'paused', waits: `limit/${id}`, reason: 'limit_cost' });
    expect(status).toBe(answered ? 'approved' : 'open');
  }
});

test('the hundredth wait ends its run also when that COMMIT was not heard of: older questions are not waited for', async () => {
  const it = await scene(99, granted(1));
  expect(await draw(committedInVain(), it.run, 1, it.attempt, request, 0)).toMatchObject({
    kind: 'limit',
    detail: 'It had to wait for more in one step too many times.',
  });
});

test('an attempt that has left and finds room draws nothing: it could store no answer', async () => {
  const it = await scene(99);
  await expect(draw(committedInVain(it.letGo), it.run, 1, it.attempt, request, 0)).rejects.toThrow(
    Superseded,
  );
  expect(await it.held()).toBe(0);
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
  const task = anAttempt(run, 'model/1');
  const attempt = {
    task,
    ref: task,
    signal: new AbortController().signal,
    supersede: () => {},
  };
  await expect(draw(deps, run, 1, attempt, request)).rejects.toThrow(Superseded);
});
