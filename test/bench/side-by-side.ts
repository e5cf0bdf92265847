// Runs side by side: events a second of sixteen runs at work in one conversation, against sixteen in conversations of
// their own. A run opens a step, streams an answer piece by piece, stores it with a call, claims the call and records
// it.
import { v7 as uuid } from 'uuid';
import { defaultTenant, openDatabase } from '../../activities/store/db/database.ts';
import { createEventLog } from '../../activities/store/log/events.ts';
import { createNotifier } from '../../activities/store/log/notifier.ts';
import { claimCall, recordCall } from '../../activities/store/calls/calls.ts';
import type { ReviewedCall } from '../../activities/store/calls/reviewed-calls.ts';
import { openStep, storeAnswer } from '../../activities/store/lifecycle/answers.ts';
import type { AttemptRef, NewAttempt } from '../../activities/store/runs/attempts.ts';
import { type LockedRun, lockRun, streamFor } from '../../activities/store/runs/runs.ts';
import type { Write } from '../../activities/store/log/events.ts';
import { withDescendants } from './harness/cpu.ts';
import { cpuPerUnit, measurePairs, rate, ratiosOf, report, type Sample, settings } from './harness/pairs.ts';
import { benchPostgres } from './harness/postgres.ts';
import { checkRows } from './harness/rows.ts';

const runsAtOnce = 16;
const piecesPerStep = 20;

const server = await benchPostgres();
const database = openDatabase({ url: server.url, connections: 20, name: 'bench-side-by-side' });
const notifier = createNotifier(database.pool, (error) => {
  throw error;
});
const log = createEventLog({ db: database.db, notifier, redact: (text) => text });

async function openConversation(): Promise<string> {
  const id = uuid();
  await database.db
    .insertInto('conversations')
    .values({ id, tenant_id: defaultTenant, title: 'bench' })
    .execute();
  return id;
}

/** Like the run of a future subagent: a conversation may have any number of those at once. */
async function openRun(conversationId: string): Promise<string> {
  const id = uuid();
  await database.db
    .insertInto('runs')
    .values({
      id,
      tenant_id: defaultTenant,
      conversation_id: conversationId,
      kind: 'subagent',
      status: 'running',
      message_id: id,
      opens: false,
      prompt: 'Do the work.',
      model: 'scripted/bench',
      policy: 'bench',
      priority: 1,
      limits: JSON.stringify({}),
      request_id: 'bench',
      accepted_by: 'bench',
    })
    .execute();
  return id;
}

async function locked(write: Write, runId: string): Promise<LockedRun> {
  const run = await lockRun(write, defaultTenant, runId);
  if (!run) throw new Error(`There is no run ${runId}.`);
  return run;
}

function attemptAt(runId: string, unit: string): NewAttempt & AttemptRef {
  const first = { attempt: 1, generation: 0, pauses: 0, tried: 1 };
  return { runId, unit, ...first, executorId: runId, taskToken: Buffer.from(unit) };
}

/** One step of a run. */
async function work(
  run: { id: string; tenant_id: string; conversation_id: string },
  step: number,
): Promise<void> {
  const attempt = attemptAt(run.id, `model/${step}`);
  await log.write('open-step', async (write) =>
    openStep(write, await locked(write, run.id), { step, attempt, keep: async () => 'kept' }),
  );
  for (let piece = 1; piece <= piecesPerStep; piece += 1) {
    await log.append({
      ...streamFor(run),
      events: [{ type: 'text-delta', payload: { step, block: 0, text: `piece ${piece} of an answer ` } }],
      fence: attempt,
      dedupeKey: `${attempt.unit}/1/${piece}`,
    });
  }
  const call = callOf(step);
  await log.write('store-answer', async (write) =>
    storeAnswer(write, await locked(write, run.id), {
      attempt,
      step,
      text: 'An answer.',
      calls: [call],
      use,
      closing: [],
      answerTime: { escalateAt: new Date(), deadlineAt: new Date() },
    }),
  );
  const calling = attemptAt(run.id, `call/${call.callId}`);
  const ofCall = { tenantId: defaultTenant, callId: call.callId, attempt: calling };
  const claim = await log.write('claim-call', (write) => claimCall(write, ofCall));
  if (claim.kind !== 'claimed') throw new Error(`Call ${call.callId} is ${claim.kind}.`);
  const result = { status: 'succeeded', output: 'done', failed: false } as const;
  await log.write('store-result', (write) =>
    recordCall(write, { tenantId: defaultTenant, attempt: calling, call: claim.call, result }),
  );
}

const use = {
  model: 'scripted/bench',
  status: 'answered',
  inputTokens: 10,
  cachedInputTokens: 0,
  outputTokens: 10,
  costMicros: 1,
  priced: true,
  estimated: false,
} as const;

function callOf(step: number): ReviewedCall {
  return {
    callId: `${step}.0`,
    index: 0,
    providerCallId: `call ${step}`,
    tool: 'list',
    input: { path: '.' },
    inputText: '{"path":"."}',
    inputHash: 'hash',
    effect: 'read',
    subject: '.',
    repeat: 'safe',
    decision: 'allow',
    decided: {},
    rule: 'any',
    reason: 'allowed',
    timeoutSeconds: 60,
    refusal: undefined,
  };
}

/** Until the time is up, in as many conversations as are told. */
async function atWork(seconds: number, conversations: number): Promise<Sample> {
  const opened = await Promise.all(Array.from({ length: conversations }, openConversation));
  const runs = await Promise.all(
    Array.from({ length: runsAtOnce }, async (_, index) => {
      const conversation_id = opened[index % conversations] ?? '';
      const run = { id: await openRun(conversation_id), tenant_id: defaultTenant, conversation_id };
      // Its stream begins as that of an accepted run does.
      await log.append({ ...streamFor(run), events: [{ type: 'run-resume', payload: { reason: 'bench' } }] });
      return run;
    }),
  );
  const end = Date.now() + seconds * 1000;
  let units = 0;
  await Promise.all(
    runs.map(async (run) => {
      for (let step = 1; Date.now() < end; step += 1) {
        await work(run, step);
        units += piecesPerStep;
      }
    }),
  );
  return { units };
}

const measured = await measurePairs({
  name: 'side by side',
  floor: { name: 'in 16 conversations', measure: (seconds) => atWork(seconds, runsAtOnce) },
  ours: { name: 'in one', measure: (seconds) => atWork(seconds, 1) },
  settings: settings(),
  pids: () => withDescendants([process.pid, server.pid]),
});
await notifier.close();
await database.db.updateTable('runs').set({ status: 'interrupted' }).execute();
await database.close();
const checked = await checkRows(server.url);
await server.stop();

const ratio = ratiosOf(measured, rate);
report({
  name: 'runs side by side',
  checks: [
    {
      what: 'pieces/s in one conversation against one each',
      value: ratio.median,
      target: 0.9,
      mustReach: 0.8,
      higherIsBetter: true,
    },
  ],
  figures: {
    ratio,
    cpu: ratiosOf(measured, cpuPerUnit),
    piecesPerSecond: measured.ours.map(rate),
    floorPerSecond: measured.floor.map(rate),
    checked,
  },
});
