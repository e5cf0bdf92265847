// Trees of subagents over the rows alone: what their workflows, people and dying workers do to them, in any order.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  closeAccount,
  closeReservation,
  reserve,
} from '../../../../activities/store/allowances/allowances.ts';
import { defaultTenant } from '../../../../activities/store/db/database.ts';
import { letsGo } from '../../../../activities/store/delegation/mailbox.ts';
import { fire } from '../../../../activities/store/lifecycle/fire.ts';
import { ensureBuiltIns } from '../../../../activities/store/policies/policies.ts';
import { stopAmong } from '../../../../activities/store/runs/inputs.ts';
import { StreamEnded, Superseded } from '../../../../activities/store/log/events.ts';
import { lockRun, type RunRow } from '../../../../activities/store/runs/runs.ts';
import { Failure } from '../../../../workflows/contracts/failures.ts';
import { isTerminal } from '../../../../workflows/run/transitions.ts';
import type { RunStatus } from '../../../../workflows/contracts/run.ts';
import { aDelegation, attended, delegated } from '../../../support/delegating.ts';
import { startNeeds } from '../../../support/start-needs.ts';
import { anAttempt, expectWholeLog, lockedRun, openTestStore } from '../../../support/store.ts';
import { expectReported, runsOf, type Tree } from '../../../support/trees.ts';

const store = await openTestStore();
const { db } = store.database;
// The policy of a continuation is looked up.
await ensureBuiltIns(db, defaultTenant);

/** What waits for a run, as every transaction that locks it sees it. */
async function waitingOf(run: RunRow): Promise<string[]> {
  return store.log.write('test', async (write) =>
    (await lockedRun(write, run.id, lockRun)).waiting.map(({ kind }) => kind),
  );
}

async function openCallsOf(run: RunRow): Promise<string[]> {
  const rows = await db
    .selectFrom('calls')
    .select('call_id')
    .where('run_id', '=', run.id)
    .where('status', 'in', ['requested', 'running'])
    .execute();
  return rows.map(({ call_id }) => call_id);
}

let tries = 0;

/** A step as a worker makes it, with its money; `kinds`: the subagents that its answer asks for. */
async function step(run: RunRow, kinds: ('inline' | 'async' | 'wait')[]): Promise<void> {
  const number = run.steps + 1;
  tries += 1;
  const attempt = anAttempt(run, `model/${number}`, tries);
  const opened = await store.open(attempt);
  if (opened.kind !== 'opened') return;
  const drawing = { tenantId: run.tenant_id, runId: run.id, step: number, attempt: opened.ref.attempt };
  const worst = { inputTokens: 10, outputTokens: 10, costMicros: 20 };
  const reserved = await reserve(db, { ...drawing, model: run.model, worst });
  if (reserved.kind !== 'reserved') throw new Superseded('its run has ended');
  const input = (index: number) => ({ prompt: 'Do it.', ...(index % 2 === 0 && { name: `part-${index}` }) });
  await store.answer(opened.ref, {
    calls: kinds.map((kind, index) =>
      aDelegation(`${number}.${index}`, kind, kind === 'wait' ? {} : input(index)),
    ),
  });
  const use = { inputTokens: 10, cachedInputTokens: 4, outputTokens: 5, costMicros: 7, estimated: false };
  await closeReservation(db, drawing, use);
}

/** Makes the open calls of a run; each a second time where the worker has died after the first. */
async function makeCalls(run: RunRow, again: boolean): Promise<void> {
  const calls = await db
    .selectFrom('calls')
    .select(['call_id', 'tool'])
    .where('run_id', '=', run.id)
    .where('status', 'in', ['requested', 'running'])
    .execute();
  const kinds = { delegate: 'inline', 'delegate-async': 'async', wait: 'wait' } as const;
  for (const { call_id, tool } of calls)
    for (let made = 0; made < (again ? 2 : 1); made += 1) {
      tries += 1;
      await delegated(store, run, call_id, kinds[tool as keyof typeof kinds], tries);
    }
}

/** What the workflow of a run does next, as far as rows decide it. False: it waits for others. */
async function advance(run: RunRow, asks: ('inline' | 'async' | 'wait')[], again: boolean): Promise<boolean> {
  if (run.status === 'queued') await store.begin(run, `execution-${run.id}`);
  const waiting = await waitingOf(run);
  const stop = stopAmong(waiting.map((kind) => ({ kind })));
  if (stop !== 'none') {
    const status = stop === 'cancel' ? 'cancelled' : 'interrupted';
    await store.end(run, { status, reason: status });
    return true;
  }
  const open = await openCallsOf(run);
  if (open.length > 0) {
    await makeCalls(run, again);
    await attended(store, run);
    const { children } = await store.run(run.id);
    return children > run.children || (await openCallsOf(run)).length < open.length;
  }
  if (asks.length > 0 || run.steps === 0 || waiting.includes('report')) {
    await step(await store.run(run.id), asks);
    return true;
  }
  if (waiting.includes('child') && !(await letsGo(db, run.id))) return false;
  await store.end(run);
  return true;
}

const asked = fc.array(fc.constantFrom('inline' as const, 'async' as const, 'wait' as const), {
  maxLength: 4,
});
const act = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({ kind: fc.constant('advance' as const), asks: asked, again: fc.boolean() }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constantFrom('interrupt' as const, 'cancel' as const) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constantFrom('deadline' as const, 'gone' as const) }) },
);

const wakeUps = fc.constantFrom({}, { wakeUp: 'manual' as const }, { wakeUp: 'auto' as const });

/** Those that report to nobody are told to one continuation; then nothing waits any more. */
async function fireAll({ conversationId }: Tree): Promise<void> {
  const pending = async () =>
    (
      await db
        .selectFrom('delegations')
        .select('child_id')
        .where('conversation_id', '=', conversationId)
        .where('state', 'in', ['posted', 'reported'])
        .execute()
    ).map(({ child_id }) => child_id);
  const waiting = await pending();
  if (waiting.length === 0) return;
  const starter = { tenantId: defaultTenant, by: 'test', requestId: 'request-2' };
  const { run } = await store.log.write('fire', (write) =>
    fire(write, startNeeds, starter, { conversationId }, async () => 'kept'),
  );
  expect(await pending()).toEqual([]);
  const told = (await store.events(run)).filter(({ type }) => type === 'delegation-end');
  expect(told.map(({ payload }) => (payload as { runId: string }).runId).toSorted()).toEqual(
    waiting.toSorted(),
  );
  await store.begin(run);
  await store.end(await store.run(run.id));
}

test('whatever becomes of a tree, each subagent reports once, nothing waits for ever, and all spending is counted', async () => {
  await fc.assert(
    fc.asyncProperty(
      wakeUps,
      fc.array(fc.tuple(act, fc.nat(40)), { maxLength: 60 }),
      async (says, program) => {
        const root = await store.started(says);
        const tree = { rootId: root.id, conversationId: root.conversation_id };
        const active = async () =>
          (await runsOf(store.database, tree)).filter(({ status }) => !isTerminal(status as RunStatus));
        let acts = 0;
        for (const [doing, which] of program) {
          const runs = await active();
          const run = runs[which % Math.max(1, runs.length)];
          if (!run) break;
          acts += 1;
          if (doing.kind === 'advance') await advance(run, doing.asks, doing.again);
          else if (doing.kind === 'deadline')
            await store.end(run, { status: 'timed_out', reason: 'limit_seconds' });
          else if (doing.kind === 'gone') await store.end(run, { status: 'failed', reason: 'workflow_gone' });
          else await store.input(run, { kind: doing.kind, messageId: `stop-${acts}` });
        }
        // Left to themselves, all of them come to their end: in each round at least one gets on.
        for (let runs = await active(); runs.length > 0; runs = await active()) {
          const moved: boolean[] = [];
          for (const { id } of runs) {
            const run = await store.run(id);
            if (!isTerminal(run.status as RunStatus)) moved.push(await advance(run, [], true));
          }
          expect(moved, 'they wait for each other').toContain(true);
        }
        await expectReported(store.database, tree);
        await fireAll(tree);
        await expectBalanced(tree);
      },
    ),
    { numRuns: 12 },
  );
  await expectWholeLog(store);
});

/** What may come of work that another transaction has overtaken; anything else, a deadlock above all, is a defect. */
function isOvertaken(error: unknown): boolean {
  if (error instanceof Superseded || error instanceof StreamEnded || error instanceof Failure) return true;
  return error instanceof Error && /has no call/.test(error.message);
}

test('whatever is done to trees at once, nothing waits in a circle, and each subagent reports once', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.array(fc.tuple(act, fc.nat(40)), { maxLength: 12 }), { maxLength: 8 }),
      async (rounds) => {
        const root = await store.started();
        const tree = { rootId: root.id, conversationId: root.conversation_id };
        const active = async () =>
          (await runsOf(store.database, tree)).filter(({ status }) => !isTerminal(status as RunStatus));
        const problems: unknown[] = [];
        let acts = 0;
        for (const round of rounds) {
          const runs = await active();
          const done = round.map(async ([doing, which]) => {
            const run = runs[which % Math.max(1, runs.length)];
            if (!run) return;
            acts += 1;
            if (doing.kind === 'advance') await advance(run, doing.asks, doing.again);
            else if (doing.kind === 'interrupt' || doing.kind === 'cancel')
              await store.input(run, { kind: doing.kind, messageId: `stop-${acts}` });
            else await store.end(run, { status: 'failed', reason: 'workflow_gone' });
          });
          const results = await Promise.allSettled(done);
          for (const result of results)
            if (result.status === 'rejected' && !isOvertaken(result.reason)) problems.push(result.reason);
        }
        expect(problems).toEqual([]);
        for (let runs = await active(); runs.length > 0; runs = await active())
          for (const { id } of runs)
            await store.end(await store.run(id), { status: 'cancelled', reason: 'cancelled' });
        await expectReported(store.database, tree);
      },
    ),
    { numRuns: 12 },
  );
  await expectWholeLog(store);
});

async function expectBalanced(tree: Tree): Promise<void> {
  await expectReported(store.database, tree);
  const runs = await runsOf(store.database, tree);
  for (const { id } of runs) await closeAccount(db, { tenantId: defaultTenant, runId: id });
  const settled = await db
    .selectFrom('allowance_entries')
    .select((eb) => eb.fn.sum<number>('cost_micros').as('cost'))
    .where(
      'run_id',
      'in',
      runs.map(({ id }) => id),
    )
    .where('kind', '=', 'settle')
    .executeTakeFirstOrThrow();
  const spent = runs.reduce((sum, run) => sum + run.cost_micros, 0);
  expect(Number(settled.cost ?? 0)).toBe(spent);
  expect(spent).toBe(7 * runs.reduce((sum, run) => sum + run.steps, 0));
}
