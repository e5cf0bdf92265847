// What people send into a conversation while its runs work, ask, stop and die: in any order, every message ends in exactly
// one state that people can see, is read in the order it was sent, and once. What falls in one moment is done at once.
import fc from 'fast-check';
import { sql } from 'kysely';
import { expect, test } from 'vitest';
import { openApprovals } from '../../../../activities/store/approvals/approval-lists.ts';
import { answerApproval } from '../../../../activities/store/approvals/approvals.ts';
import { defaultTenant } from '../../../../activities/store/db/database.ts';
import { letsGo } from '../../../../activities/store/delegation/mailbox.ts';
import { givePlaces } from '../../../../activities/store/lifecycle/after-end.ts';
import { endUnstarted } from '../../../../activities/store/lifecycle/end-run.ts';
import { fire } from '../../../../activities/store/lifecycle/fire.ts';
import { interruptConversation } from '../../../../activities/store/lifecycle/interrupt-conversation.ts';
import { startRun } from '../../../../activities/store/lifecycle/start-run.ts';
import { StreamEnded, Superseded } from '../../../../activities/store/log/events.ts';
import { ensureBuiltIns } from '../../../../activities/store/policies/policies.ts';
import { isMessage, stopAmong } from '../../../../activities/store/runs/inputs.ts';
import { lockRun, lockRunAndConversation, type RunRow } from '../../../../activities/store/runs/runs.ts';
import { Failure } from '../../../../workflows/contracts/failures.ts';
import { activeStatuses, snapshotStatuses } from '../../../../workflows/run/transitions.ts';
import { aDelegation, askingRun, delegated } from '../../../support/delegating.ts';
import { startNeeds } from '../../../support/start-needs.ts';
import { aCall, anAttempt, expectWholeLog, lockedRun, openTestStore } from '../../../support/store.ts';

const store = await openTestStore();
const { db } = store.database;
// The policy of each next run is looked up.
await ensureBuiltIns(db, defaultTenant);

let sent = 0;
let tries = 0;

function starter() {
  return { tenantId: defaultTenant, by: 'test', requestId: `request-${(sent += 1)}` };
}

async function runsOf(conversationId: string): Promise<RunRow[]> {
  const query = db.selectFrom('runs').selectAll().where('conversation_id', '=', conversationId);
  return query.orderBy('id').execute();
}

async function atWork(conversationId: string): Promise<RunRow[]> {
  // One whose turn has come has its place, too.
  await givePlaces(store.log, defaultTenant);
  const runs = await runsOf(conversationId);
  return runs.filter(({ status, parked }) => !parked && (activeStatuses as string[]).includes(status));
}

/** Undefined: it was refused, and nothing is left of it. */
async function orRefused<Done>(doing: Promise<Done>): Promise<Done | undefined> {
  return doing.catch((error: unknown) => {
    if (error instanceof Failure) return undefined;
    throw error;
  });
}

type WhenBusy = 'reject' | 'queue' | 'steer' | 'interrupt';

/** Twice, as a client does that has not heard. Returns the id of the message when it was taken. */
async function send(conversationId: string, whenBusy: WhenBusy): Promise<string | undefined> {
  const messageId = `message-${(sent += 1)}`;
  const once = () =>
    store.log.write('send', (write) =>
      startRun(write, startNeeds, starter(), { conversationId, messageId, prompt: messageId, whenBusy }),
    );
  const first = await orRefused(once());
  if (first) await once();
  return first && messageId;
}

function fireInto(conversationId: string): Promise<unknown> {
  return orRefused(
    store.log.write('fire', (write) =>
      fire(write, startNeeds, starter(), { conversationId }, async () => 'kept'),
    ),
  );
}

async function steer(run: RunRow): Promise<string | undefined> {
  const messageId = `message-${(sent += 1)}`;
  const input = { kind: 'steer' as const, messageId, text: messageId };
  const taken = await orRefused(store.input(run, input));
  if (taken) await store.input(run, input);
  return taken && messageId;
}

async function stop(run: RunRow, kind: 'interrupt' | 'cancel'): Promise<void> {
  await orRefused(store.input(run, { kind, messageId: `stop-${(sent += 1)}`, text: '' }));
  await store.log.write('test', async (write) =>
    endUnstarted(write, await lockedRun(write, run.id, lockRunAndConversation), kind),
  );
}

async function answer(run: RunRow, status: 'approved' | 'denied'): Promise<void> {
  for (const { id } of await openApprovals(db, run))
    await store.log.write('test', async (write) =>
      answerApproval(write, await lockedRun(write, run.id), id, { status, by: 'ada' }),
    );
}

async function makeCalls(run: RunRow): Promise<boolean> {
  const calls = await db
    .selectFrom('calls')
    .select(['call_id', 'tool'])
    .where('run_id', '=', run.id)
    .where('status', 'in', ['requested', 'running'])
    .orderBy('index')
    .execute();
  for (const { call_id: callId, tool } of calls) {
    tries += 1;
    if (tool === 'delegate-async') {
      await delegated(store, run, callId, 'async', tries);
      continue;
    }
    const claim = await store.claim(anAttempt(run, `call/${callId}`, tries));
    if (claim.kind === 'claimed') await store.record(claim.ref);
  }
  return calls.length > 0;
}

type Asks = 'nothing' | 'a call' | 'a person' | 'a subagent';

/** What the workflow of a run does next. `dies`: its worker does, once it has opened its step. */
async function advance(id: string, asks: Asks, dies: boolean): Promise<void> {
  const run = await store.run(id);
  if (run.status === 'queued') await store.begin(run, `execution-${id}`);
  const { waiting } = await store.log.write('test', (write) => lockedRun(write, id, lockRun));
  const stopped = stopAmong(waiting);
  if (stopped !== 'none') {
    const status = stopped === 'cancel' ? 'cancelled' : 'interrupted';
    await store.end(run, { status, reason: status });
    return;
  }
  if ((await openApprovals(db, run)).length > 0) return;
  if (await makeCalls(run)) return;
  if (asks === 'nothing' && run.steps > 0 && !waiting.some(isMessage)) {
    if (waiting.length === 0 || (await letsGo(db, id))) await store.end(run);
    return;
  }
  const number = run.steps + 1;
  tries += 1;
  const opened = await store.open(anAttempt(run, `model/${number}`, tries));
  if (opened.kind !== 'opened' || dies) return;
  const callId = `${number}.0`;
  const question = { kind: 'call' as const, text: 'shell', choices: [] };
  await store.answer(opened.ref, {
    calls:
      asks === 'a call'
        ? [aCall(callId)]
        : asks === 'a person'
          ? [aCall(callId, { decision: 'ask', asks: question })]
          : asks === 'a subagent'
            ? [aDelegation(callId, 'async')]
            : [],
  });
}

const act = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom<WhenBusy>('reject', 'queue', 'steer', 'interrupt') },
  {
    weight: 3,
    arbitrary: fc.constantFrom(
      ...([
        'say',
        'interrupt run',
        'interrupt all',
        'cancel run',
        'fire',
        'approve',
        'deny',
        'gone',
      ] as const),
    ),
  },
  {
    weight: 8,
    arbitrary: fc.record({
      asks: fc.constantFrom<Asks>('nothing', 'a call', 'a person', 'a subagent'),
      dies: fc.boolean(),
    }),
  },
);

type Act = [typeof act extends fc.Arbitrary<infer A> ? A : never, number];

/** What is done in one moment: begun at once, in whatever order it commits. Returns the ids of the messages that were taken. */
async function carryOut(conversationId: string, moment: Act[]): Promise<string[]> {
  const runs = await atWork(conversationId);
  const done = moment.map(([doing, which]) => unlessOvertaken(take(conversationId, runs, doing, which)));
  return (await Promise.all(done)).filter((message) => message !== undefined);
}

/** A worker whose work another transaction has overtaken stops; anything else, a deadlock above all, is a defect. */
async function unlessOvertaken<Done>(doing: Promise<Done>): Promise<Done | undefined> {
  return doing.catch((error: unknown) => {
    const isOvertaken =
      [Failure, Superseded, StreamEnded].some((kind) => error instanceof kind) ||
      /has no call/.test(String(error));
    if (isOvertaken) return undefined;
    throw error;
  });
}

async function take(
  conversationId: string,
  runs: RunRow[],
  doing: Act[0],
  which: number,
): Promise<string | undefined> {
  const run = runs[which % Math.max(1, runs.length)];
  const main = runs.find(({ kind }) => kind === 'main');
  if (doing === 'fire') await fireInto(conversationId);
  else if (doing === 'reject' || doing === 'queue' || doing === 'steer' || doing === 'interrupt')
    return send(conversationId, doing);
  else if (doing === 'interrupt all')
    await orRefused(
      store.log.write('test', (write) => interruptConversation(write, { ...starter(), conversationId })),
    );
  else if (!run) return undefined;
  else if (doing === 'say') return main && steer(main);
  else if (doing === 'interrupt run' || doing === 'cancel run')
    await stop(run, doing === 'cancel run' ? 'cancel' : 'interrupt');
  else if (doing === 'approve') await answer(run, 'approved');
  else if (doing === 'deny') await answer(run, 'denied');
  else if (doing === 'gone') await store.end(run, { status: 'failed', reason: 'workflow_gone' });
  else await advance(run.id, doing.asks, doing.dies);
  return undefined;
}

async function settle(conversationId: string): Promise<void> {
  for (let round = 0; ; round += 1) {
    const runs = await atWork(conversationId);
    if (runs.length === 0) return;
    expect(round, 'they come to their end').toBeLessThan(200);
    for (const { id } of runs) {
      await answer(await store.run(id), 'denied');
      if ((await store.run(id)).ended_at === null) await advance(id, 'nothing', false);
    }
  }
}

async function expectOnce(conversationId: string, taken: string[]): Promise<void> {
  const runs = await runsOf(conversationId);
  const inputs = await db
    .selectFrom('inputs')
    .innerJoin('runs', 'runs.id', 'inputs.run_id')
    .select(['inputs.id', 'inputs.run_id', 'inputs.message_id', 'inputs.status', 'inputs.applied_step'])
    .where('conversation_id', '=', conversationId)
    .where('inputs.kind', '=', 'steer')
    .orderBy('inputs.id')
    .execute();
  const messages = await db
    .selectFrom('messages')
    .innerJoin('runs', 'runs.id', 'messages.run_id')
    .select(['messages.run_id', 'messages.step', 'messages.text'])
    .where('conversation_id', '=', conversationId)
    .where('messages.text', 'like', 'message-%')
    .orderBy('messages.run_id')
    .orderBy('messages.step')
    .orderBy('position')
    .execute();
  for (const id of taken) {
    const states = [
      ...runs.filter((run) => run.message_id === id).map(() => 'run'),
      ...inputs.filter((input) => input.message_id === id).map(({ status }) => status),
    ];
    const read = messages.filter(({ text }) => text === id).length;
    // One that came too late for its run may be sent again, and is then a run.
    const [refused, ...others] = states.toSorted((one) => (one === 'refused' ? -1 : 1));
    if (states.length === 2) expect([refused, others]).toEqual(['refused', ['run']]);
    else expect([states.length, ['run', 'applied', 'refused'].includes(refused ?? '')]).toEqual([1, true]);
    expect([id, states, read]).toEqual([id, states, states.every((state) => state === 'refused') ? 0 : 1]);
  }
  // Nothing of what was refused, and no more than was taken.
  expect(messages.map(({ text }) => text).filter((text) => !taken.includes(text))).toEqual([]);
  for (const run of runs) {
    const applied = inputs.filter(({ run_id, status }) => run_id === run.id && status === 'applied');
    const said = messages.filter(({ run_id, step }) => run_id === run.id && step > 0);
    expect(said.map(({ text, step }) => [text, step])).toEqual(
      applied.map(({ message_id, applied_step }) => [message_id, applied_step]),
    );
  }
  const begun = runs.filter(({ kind, started_at }) => kind === 'main' && started_at !== null);
  const order = begun.toSorted((one, other) => Number(one.started_at) - Number(other.started_at));
  expect(order.map(({ id }) => id)).toEqual(begun.map(({ id }) => id));
}

/** What waits in the mailbox in the end is told to one run, though two fire at once. */
async function drain(conversationId: string): Promise<void> {
  const { rows } =
    await sql`select from delegations where conversation_id = ${conversationId} and state = 'posted'`.execute(
      db,
    );
  const fired = await Promise.all([fireInto(conversationId), fireInto(conversationId)]);
  expect(fired.filter((each) => each !== undefined)).toHaveLength(rows.length > 0 ? 1 : 0);
  await settle(conversationId);
}

/** Each report was told to one of the main runs that leave something to go on from, or it is late. */
async function expectToldOnce(conversationId: string): Promise<void> {
  const { rows } = await sql<{ state: string; kept: boolean; told: number }>`
    select state, coalesce((select status from runs where id = delivered_to) = any(${snapshotStatuses}), false) as kept,
      (select count(*)::int from events join runs on stream = 'run/' || runs.id and status = any(${snapshotStatuses})
          and (opens or parent_id is not null or started_at is not null)
        where type = 'delegation-end' and payload->>'runId' = child_id::text) as told
    from delegations where conversation_id = ${conversationId}`.execute(db);
  for (const { state, kept, told } of rows)
    expect([['delivered', 'late'].includes(state), told]).toEqual([true, kept ? 1 : 0]);
}

test('every message ends in one state, is read in its order and once, whatever else happens meanwhile', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom({}, { wakeUp: 'manual' as const }),
      fc.array(fc.array(fc.tuple(act, fc.nat(5)), { minLength: 1, maxLength: 5 }), {
        minLength: 4,
        maxLength: 16,
      }),
      async (says, moments) => {
        const { parent } = await askingRun(store, 1, { attended: true, ...says });
        const conversationId = parent.conversation_id;
        const taken: string[] = [];
        for (const moment of moments) taken.push(...(await carryOut(conversationId, moment)));
        await settle(conversationId);
        await drain(conversationId);
        await expectOnce(conversationId, taken);
        await expectToldOnce(conversationId);
      },
    ),
    { numRuns: 8, endOnFailure: true },
  );
  await expectWholeLog(store);
});
