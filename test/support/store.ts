// The store over a database of its own, and short ways to bring a run to a point in its life. Every step goes through
// the product's own functions; nothing is written behind their back.
import { sql } from 'kysely';
import { afterAll, expect } from 'vitest';
import { v7 as uuid } from 'uuid';
import type { Accepted } from '../../activities/store/lifecycle/accept-run.ts';
import { seedTenantAllowance } from '../../activities/store/allowances/change-limits.ts';
import {
  type Answer,
  type ModelUse,
  type AnswerTime,
  openStep,
  storeAnswer,
} from '../../activities/store/lifecycle/answers.ts';
import type { AttemptRef, NewAttempt } from '../../activities/store/runs/attempts.ts';
import { type BegunRun, beginRun } from '../../activities/store/lifecycle/begin-run.ts';
import {
  type CallResult,
  type CallRow,
  type Claim,
  claimCall,
  findCall,
  recordCall,
} from '../../activities/store/calls/calls.ts';
import { type Database, defaultTenant } from '../../activities/store/db/database.ts';
import { type EndedRun, endRun, type RunEnd } from '../../activities/store/lifecycle/end-run.ts';
import { createEventLog, type EventLog, readEvents, type Write } from '../../activities/store/log/events.ts';
import { addInput, type NewInput } from '../../activities/store/runs/inputs.ts';
import { createNotifier } from '../../activities/store/log/notifier.ts';
import type { ReviewedCall } from '../../activities/store/calls/reviewed-calls.ts';
import {
  findRun,
  type LockedRun,
  lockRun,
  lockRunAndConversation,
  type RunRow,
} from '../../activities/store/runs/runs.ts';
import { type NewEvent, streamOf } from '../../workflows/contracts/event.ts';
import type { ReceiptView } from '../../workflows/contracts/receipt.ts';
import { acceptARun, aRun, type NewRun } from './accepting.ts';
import { awayFromMidnight } from './midnight.ts';
import { openPatient } from './patient.ts';
import { createTestDatabase } from './postgres.ts';

/** Each attempt of a unit is another executor's, as after the death of a worker. */
function executorOf(attempt: number): string {
  return `019a0000-0000-7000-8000-${String(attempt).padStart(12, '0')}`;
}

/** The executor of first attempts. */
export const executorId = executorOf(1);

export interface TestStore {
  url: string;
  database: Database;
  log: EventLog;
  accept(changes?: Partial<NewRun>): Promise<Accepted>;
  /** Accepts a run and begins its execution `execution-1`. */
  started(changes?: Partial<NewRun>): Promise<RunRow>;
  /** Of the generation that the row given has. */
  begin(run: RunRow, executionId?: string): Promise<BegunRun | undefined>;
  open(attempt: NewAttempt): ReturnType<typeof openStep>;
  answer(attempt: AttemptRef, changes?: Partial<Answer>): Promise<CallRow[]>;
  /** A whole step: opened and answered by the first attempt. */
  step(run: RunRow, number: number, changes?: Partial<Answer>): Promise<CallRow[]>;
  claim(attempt: NewAttempt): Promise<Claim>;
  record(attempt: AttemptRef, result?: Partial<CallResult>): Promise<void>;
  input(run: RunRow, input: Pick<NewInput, 'kind' | 'messageId'> & Partial<NewInput>): Promise<ReceiptView>;
  end(run: RunRow, end?: Partial<RunEnd>): Promise<EndedRun>;
  run(id: string): Promise<RunRow>;
  /** Type and payload of every event of a run, in order. */
  events(run: { id: string }): Promise<NewEvent[]>;
}

/** Opened at the top of a file or in `beforeAll`; closed by itself. */
export async function openTestStore({ connections = 20 } = {}): Promise<TestStore> {
  await awayFromMidnight();
  const { url } = await createTestDatabase();
  const database = openPatient({ url, connections, name: 'test-store' });
  await seedTenantAllowance(database.db, defaultTenant);
  const notifier = createNotifier(database.pool, (error) => {
    throw error;
  });
  afterAll(async () => {
    await notifier.close();
    await database.close();
  });
  return storeOver(url, database, createEventLog({ db: database.db, notifier, redact: (text) => text }));
}

export function storeOver(url: string, database: Database, log: EventLog): TestStore {
  const store: TestStore = {
    url,
    database,
    log,
    accept: (changes) => log.write('test', (write) => acceptARun(write, aRun(changes))),
    async started(changes) {
      const { run } = await store.accept(changes);
      await store.begin(run);
      return store.run(run.id);
    },
    begin: (run, executionId = 'execution-1') =>
      log.write('test', (write) =>
        beginRun(write, {
          tenantId: run.tenant_id,
          runId: run.id,
          executionId,
          generation: run.generation,
          isScripted: () => true,
        }),
      ),
    open: (attempt) =>
      log.write('test', async (write) => {
        const run = await lockedRun(write, attempt.runId);
        return openStep(write, run, { step: stepOf(attempt), attempt, keep: async () => 'kept' });
      }),
    answer: async (attempt, changes) =>
      (
        await log.write('test', async (write) =>
          storeAnswer(write, await lockedRun(write, attempt.runId), anAnswer(attempt, changes)),
        )
      ).calls,
    async step(run, number, changes) {
      const attempt = anAttempt(run, `model/${number}`);
      await store.open(attempt);
      return store.answer(attempt, changes);
    },
    claim: (attempt) =>
      log.write('test', (write) =>
        claimCall(write, { tenantId: defaultTenant, callId: callIdOf(attempt), attempt }),
      ),
    record: (attempt, result) =>
      log.write('test', async (write) => {
        const call = await findCall(write.tx, defaultTenant, attempt.runId, callIdOf(attempt));
        if (!call) throw new Error(`There is no call of ${attempt.unit}.`);
        await recordCall(write, {
          tenantId: defaultTenant,
          attempt,
          call,
          result: { status: 'succeeded', output: 'done', failed: false, ...result },
        });
      }),
    input: (run, input) =>
      log.write('test', async (write) =>
        addInput(write, await lockedRun(write, run.id), { text: 'More.', by: 'test', ...input }),
      ),
    end: (run, end) =>
      log.write('test', async (write) =>
        endRun(write, await lockedRun(write, run.id, lockRunAndConversation), {
          status: 'succeeded',
          reason: 'finished',
          reasonText: 'The agent finished.',
          ...end,
        }),
      ),
    async run(id) {
      const row = await findRun(database.db, defaultTenant, id);
      if (!row) throw new Error(`There is no run ${id}.`);
      return row;
    },
    events: (run) => eventsOf(database, streamOf('run', run.id)),
  };
  return store;
}

/** Runs that are at work beside another in its conversation, as subagents will be. */
export async function besideRun(store: TestStore, run: RunRow, count: number): Promise<RunRow[]> {
  const runs = await Promise.all(Array.from({ length: count }, () => store.accept()));
  const { conversation_id, tenant_id } = run;
  return Promise.all(
    runs.map(async ({ run: { id } }) => {
      const change = { kind: 'subagent', conversation_id };
      await store.database.db.updateTable('runs').set(change).where('id', '=', id).execute();
      await store.begin({ ...run, id, tenant_id });
      return store.run(id);
    }),
  );
}

/** Type and payload of every event of a stream, in order. */
export async function eventsOf(
  database: Database,
  stream: string,
  tenantId = defaultTenant,
): Promise<NewEvent[]> {
  const rows = await readEvents(database.db, stream, { tenantId, after: 0, limit: 100_000 });
  return rows.map(({ type, payload }) => ({ type, payload }) as NewEvent);
}

/** The same of the tenant's stream, once all that waits for it is in it. */
export async function toldTo(database: Database, tenantId = defaultTenant): Promise<NewEvent[]> {
  await sql`select feed_tenant(${tenantId}, 100000)`.execute(database.db);
  return eventsOf(database, streamOf('tenant', tenantId), tenantId);
}

function stepOf(attempt: { unit: string }): number {
  return Number(attempt.unit.slice('model/'.length));
}

/** Locks a run of any tenant. */
export async function lockedRun({ tx, ...write }: Write, id: string, lock = lockRun): Promise<LockedRun> {
  const found = await tx.selectFrom('runs').select('tenant_id').where('id', '=', id).executeTakeFirst();
  const run = found && (await lock({ tx, ...write }, found.tenant_id, id));
  if (!run) throw new Error(`There is no run ${id}.`);
  return run;
}

function callIdOf(attempt: { unit: string }): string {
  return attempt.unit.slice('call/'.length);
}

/** An attempt of a unit whose tries all become attempts, in order: each has the number of its try. */
export function anAttempt(
  run: { id: string },
  unit: string,
  attempt = 1,
  by = executorId,
): NewAttempt & AttemptRef {
  const taskToken = Buffer.from(`${unit} ${attempt} ${uuid()}`);
  const place = { generation: 0, pauses: 0, tried: attempt };
  return { runId: run.id, unit, attempt, ...place, executorId: by, taskToken };
}

const use: ModelUse = {
  model: 'scripted/hello',
  status: 'answered',
  inputTokens: 10,
  cachedInputTokens: 4,
  outputTokens: 5,
  costMicros: 7,
  priced: true,
  estimated: false,
};

function anAnswer(attempt: AttemptRef, changes: Partial<Answer> = {}): Answer {
  return {
    attempt,
    step: stepOf(attempt),
    text: 'Hello.',
    calls: [],
    use,
    closing: [],
    answerTime: answerTimeOf(hours(24)),
    ...changes,
  };
}

export function answerTimeOf(ms: number): AnswerTime {
  return { escalateAt: new Date(Date.now() + ms / 2), deadlineAt: new Date(Date.now() + ms) };
}

export function hours(count: number): number {
  return count * 3_600_000;
}

/** A reviewed call that policy allows; `once` unless said otherwise. */
export function aCall(callId: string, changes: Partial<ReviewedCall> = {}): ReviewedCall {
  return {
    callId,
    index: Number(callId.split('.')[1]),
    providerCallId: `provider-${callId}`,
    tool: 'shell',
    input: { command: 'true' },
    inputText: '{"command":"true"}',
    inputHash: 'hash',
    decided: {},
    effect: 'execute',
    subject: 'true',
    repeat: 'once',
    decision: 'allow',
    rule: 'any tool',
    reason: 'allowed',
    timeoutSeconds: 60,
    refusal: undefined,
    ...changes,
  };
}

/** What is true of the log at every moment: numbers without gaps, one terminal event at most, and nothing after it. */
export async function expectWholeLog({ database }: Pick<TestStore, 'database'>): Promise<void> {
  const { rows } = await database.pool.query<Record<string, unknown>>(`
    select 'stream ' || stream as "where", 'numbers have a gap' as problem from events
      group by stream having min(seq) <> 1 or max(seq) <> count(*)
    union all
    select 'stream ' || head.stream, 'head and events differ' from stream_heads head
      where head.seq <> (select count(*) from events where events.stream = head.stream)
    union all
    select 'conversation ' || conversation_id, 'numbers have a gap' from events where conversation_id is not null
      group by conversation_id having min(conversation_seq) <> 1 or max(conversation_seq) <> count(*)
    union all
    select 'conversation ' || head.conversation_id, 'counter and events differ' from conversation_heads head
      where head.seq <> (select count(*) from events where events.conversation_id = head.conversation_id)
    union all
    select 'stream ' || stream, 'more than one terminal event' from events
      where type in ('run-end', 'task-end') and source is null
      group by stream having count(*) > 1
    union all
    select 'stream ' || e.stream, 'something follows the terminal event' from events e
      join events final on final.stream = e.stream and final.type in ('run-end', 'task-end') and e.seq > final.seq
        and final.source is null
    union all
    select 'stream ' || head.stream, 'ended without a terminal event' from stream_heads head
      where head.ended and not exists (select from events where stream = head.stream and type in ('run-end', 'task-end'))
    union all
    select 'conversation ' || conversation_id, 'two active runs' from runs
      where kind = 'main' and not parked
        and status in ('queued', 'running', 'waiting_workers', 'awaiting_input', 'gating')
      group by conversation_id having count(*) > 1
    union all
    select 'call ' || run_id || ' ' || call_id, 'no decision in the audit' from calls
      where not exists (
        select from audit where audit.run_id = calls.run_id and audit.call_id = calls.call_id
          and audit.action like 'call-%' and audit.actor <> '' and audit.rule <> '' and audit.reason <> ''
      )
    union all
    select 'call ' || run_id || ' ' || call_id, 'a closed call without exactly one tool message' from calls
      where status not in ('requested', 'running')
        and 1 <> (select count(*) from messages m where m.run_id = calls.run_id and m.call_id = calls.call_id)
  `);
  expect(rows).toEqual([]);
}
