import { expect, test } from 'vitest';
import {
  aCall,
  anAttempt,
  expectWholeLog,
  hours,
  lockedRun,
  openTestStore,
  answerTimeOf,
} from '../../../support/store.ts';
import {
  type ApprovalAnswer,
  answerApproval,
  attendApprovals,
  withdrawApprovals,
} from '../../../../activities/store/approvals/approvals.ts';
import { openApprovals } from '../../../../activities/store/approvals/approval-lists.ts';
import { useApproval } from '../../../../activities/store/calls/approval-use.ts';
import { findCall } from '../../../../activities/store/calls/calls.ts';
import { readContext } from '../../../../activities/store/runs/messages.ts';
import { listAudit } from '../../../../activities/store/access/audit.ts';
import { defaultTenant } from '../../../../activities/store/db/database.ts';
import type { RunRow } from '../../../../activities/store/runs/runs.ts';

const store = await openTestStore();
const { database, log } = store;

function asking(callId: string) {
  return aCall(callId, {
    decision: 'ask',
    asks: { kind: 'call', text: `shell ${callId}`, choices: [] },
  });
}

/** A run whose first step asks about these calls. */
async function asked(...callIds: string[]): Promise<RunRow> {
  const run = await store.started();
  await store.step(run, 1, { calls: callIds.map(asking), answerTime: answerTimeOf(hours(24)) });
  return store.run(run.id);
}

async function approvals(run: RunRow) {
  return database.db
    .selectFrom('approvals')
    .selectAll()
    .where('run_id', '=', run.id)
    .orderBy('call_id')
    .execute();
}

async function answer(run: RunRow, callId: string, given: Partial<ApprovalAnswer>) {
  const approval = (await approvals(run)).find((row) => row.call_id === callId);
  return log.write('test', async (write) =>
    answerApproval(write, await lockedRun(write, run.id), approval?.id ?? '', {
      status: 'approved',
      by: 'ada (cli)',
      ...given,
    }),
  );
}

async function attend(run: RunRow, now?: Date) {
  return log.write('test', async (write) => attendApprovals(write, await lockedRun(write, run.id), now));
}

test('a call that is asked about waits, and is made once by whoever comes first to allow it', async () => {
  const run = await asked('1.0', '1.1');
  expect(run).toMatchObject({ status: 'awaiting_input', awaiting_since: expect.any(Date) });
  expect(await attend(run)).toEqual({ answered: [], open: 2, dueMs: expect.any(Number) });
  await answer(run, '1.0', {});
  expect((await store.run(run.id)).status, 'one is open still').toBe('awaiting_input');
  await answer(run, '1.1', {});
  expect(await store.run(run.id)).toMatchObject({ status: 'running', awaiting_since: null });
  expect(await attend(run)).toEqual({
    answered: [
      { waits: '1.0', allowed: true },
      { waits: '1.1', allowed: true },
    ],
    open: 0,
    dueMs: undefined,
  });
  expect(await store.claim(anAttempt(run, 'call/1.0'))).toMatchObject({ kind: 'claimed' });
  expect(await store.claim(anAttempt(run, 'call/1.0', 2)), 'its own retry sees it as its own').toMatchObject({
    kind: 'claimed',
  });
  expect((await approvals(run)).map(({ used_by_attempt }) => used_by_attempt)).toEqual([2, null]);
  await expectWholeLog(store);
});

test('of a hundred answers one counts, and the others learn whose', async () => {
  const run = await asked('1.0');
  const answers = await Promise.all(
    Array.from({ length: 100 }, (_, index) =>
      answer(run, '1.0', { by: `person ${index}`, status: index % 2 === 0 ? 'approved' : 'denied' }),
    ),
  );
  const counted = answers.filter((row) => row !== undefined);
  expect(counted).toHaveLength(1);
  expect((await approvals(run))[0]).toMatchObject({
    decided_by: counted[0]?.decided_by,
    status: counted[0]?.status,
  });
  expect((await store.events(run)).filter(({ type }) => type === 'approval-response')).toHaveLength(1);
});

test('a call that is denied has that as its result, with the reason', async () => {
  const run = await asked('1.0');
  await answer(run, '1.0', { status: 'denied', note: 'Use the other branch.' });
  expect((await store.events(run)).slice(-2)).toEqual([
    expect.objectContaining({ type: 'approval-response' }),
    {
      type: 'call-end',
      payload: expect.objectContaining({
        callId: '1.0',
        status: 'denied',
        output: 'Denied by ada (cli): Use the other branch.',
      }),
    },
  ]);
  expect(await store.claim(anAttempt(run, 'call/1.0'))).toMatchObject({ kind: 'recorded' });
  const { answered } = await attend(run);
  expect(answered).toEqual([{ waits: '1.0', allowed: false }]);
});

test('arguments that were edited are what is recorded and what may run, and no others', async () => {
  const run = await asked('1.0', '1.1');
  const edited = { input: { command: 'ls' }, inputHash: 'other', subject: 'ls', timeoutSeconds: 20 };
  await answer(run, '1.0', { edited });
  await answer(run, '1.1', {});
  expect(await store.claim(anAttempt(run, 'call/1.0'))).toMatchObject({
    kind: 'claimed',
    call: { input: { command: 'ls' }, input_hash: 'other', subject: 'ls', timeout_seconds: 20 },
  });
  await database.db
    .updateTable('calls')
    .set({ input_hash: 'changed behind the back' })
    .where('run_id', '=', run.id)
    .where('call_id', '=', '1.1')
    .execute();
  expect(await store.claim(anAttempt(run, 'call/1.1'))).toMatchObject({
    kind: 'recorded',
    call: { status: 'denied' },
  });
});

test('the model is told of arguments that were edited, in front of what they answered', async () => {
  const run = await asked('1.0', '1.1');
  const edited = { input: { command: 'ls' }, inputHash: 'other', subject: 'ls', timeoutSeconds: 60 };
  await answer(run, '1.0', { edited });
  await answer(run, '1.1', {});
  for (const callId of ['1.0', '1.1']) {
    await store.claim(anAttempt(run, `call/${callId}`));
    await store.record(anAttempt(run, `call/${callId}`), { output: 'a.md' });
  }
  const told = (await readContext(database.db, defaultTenant, run.id)).filter(({ role }) => role === 'tool');
  expect(told.map(({ text }) => text)).toEqual([
    'A person changed the arguments of this call to {"command":"ls"}. Its result:\na.md',
    'a.md',
  ]);
  expect(await findCall(database.db, defaultTenant, run.id, '1.0')).toMatchObject({ output: 'a.md' });
});

test('a call that is not made is not asked about, whatever its review wanted to ask', async () => {
  const run = await store.started();
  const refusal = { status: 'failed', output: 'Not run.' } as const;
  await store.step(run, 1, { calls: [{ ...asking('1.0'), decision: 'deny', refusal }] });
  expect([(await store.run(run.id)).status, await approvals(run)]).toEqual(['running', []]);
});

test("what a run asks is no other tenant's to see, to answer or to claim by", async () => {
  const run = await asked('1.0');
  const foreign = { ...run, tenant_id: '00000000-0000-0000-0000-000000000001' };
  expect(await openApprovals(database.db, foreign)).toEqual([]);
  expect(await openApprovals(database.db, run)).toHaveLength(1);
  const [approval] = await approvals(run);
  const byThem = await log.write('test', (write) =>
    answerApproval(write, foreign, approval?.id ?? '', { status: 'approved', by: 'them' }),
  );
  expect(byThem).toBeUndefined();
  expect(await log.write('test', (write) => attendApprovals(write, foreign))).toMatchObject({ open: 0 });
  expect(await log.write('test', (write) => withdrawApprovals(write, foreign, 'them'))).toEqual([]);
  await answer(run, '1.0', {});
  const claimed = { ...foreign, run_id: run.id, call_id: '1.0', input_hash: 'hash' };
  expect(await log.write('test', (write) => useApproval(write, claimed, 1))).toBe(false);
  expect(
    await log.write('test', (write) => useApproval(write, { ...claimed, tenant_id: run.tenant_id }, 1)),
  ).toBe(true);
});

test('after half the time people are reminded once, and after all of it the answer is no', async () => {
  const run = await asked('1.0');
  const later = (part: number): Date => new Date(Date.now() + hours(24) * part);
  expect(await attend(run, later(0.4))).toMatchObject({ open: 1, answered: [] });
  await attend(run, later(0.6));
  expect(await attend(run, later(0.7))).toMatchObject({ open: 1 });
  expect((await store.events(run)).filter(({ type }) => type === 'approval-escalation')).toHaveLength(1);
  expect(await attend(run, later(1.1))).toEqual({
    answered: [{ waits: '1.0', allowed: false }],
    open: 0,
    dueMs: undefined,
  });
  expect((await store.events(run)).at(-1)).toMatchObject({
    type: 'call-end',
    payload: { status: 'denied', output: 'Denied: nobody answered in time.' },
  });
  expect(await answer(run, '1.0', {}), 'an answer after the deadline').toBeUndefined();
});

test('the clock stands still while a run waits for people', async () => {
  const run = await asked('1.0');
  await database.db
    .updateTable('runs')
    .set({ awaiting_since: new Date(Date.now() - hours(2)) })
    .where('id', '=', run.id)
    .execute();
  await answer(run, '1.0', {});
  const moved = Number((await store.run(run.id)).deadline_at) - Number(run.deadline_at);
  expect(Math.round(moved / hours(1))).toBe(2);
});

test('the end of a run withdraws what it asked', async () => {
  const run = await asked('1.0');
  await store.end(run, { status: 'interrupted', reason: 'interrupted' });
  expect((await approvals(run))[0]).toMatchObject({ status: 'withdrawn', decided_by: 'the end of the run' });
  expect(await answer(run, '1.0', {})).toBeUndefined();
  expect((await store.events(run)).map(({ type }) => type).slice(-3)).toEqual([
    'call-end',
    'approval-response',
    'run-end',
  ]);
});

test('whoever says something else instead of answering has denied it, and the same run hears what they said', async () => {
  const run = await asked('1.0', '1.1');
  const said = await store.accept({ conversationId: run.conversation_id, prompt: 'Wait, look here first.' });
  expect(said).toMatchObject({ became: 'steered', run: { id: run.id } });
  expect((await approvals(run)).map(({ status }) => status)).toEqual(['denied', 'denied']);
  expect((await store.run(run.id)).status).toBe('running');
  await store.open(anAttempt(run, 'model/2'));
  expect((await store.events(run)).at(-1)).toMatchObject({
    type: 'steer-response',
    payload: { outcome: 'applied', step: 2 },
  });
  await expectWholeLog(store);
});

test('what was asked and answered is in the audit, which nobody can change', async () => {
  const run = await asked('1.0');
  await answer(run, '1.0', { status: 'denied', note: 'No.' });
  const entries = await listAudit(database.db, { tenantId: defaultTenant, limit: 10, runId: run.id });
  expect(
    entries.map(({ actor, action, call_id, rule, reason }) => [actor, action, call_id, rule, reason]),
  ).toEqual([
    ['ada (cli)', 'approval-denied/call', '1.0', 'any tool', 'No.'],
    ['the agent', 'approval-request/call', '1.0', '', 'shell 1.0'],
    ['Perdure', 'call-ask', '1.0', 'any tool', 'allowed'],
  ]);
  const ended = await asked('1.0');
  await store.end(ended, { status: 'cancelled', reason: 'cancelled' });
  const [last] = await listAudit(database.db, { tenantId: defaultTenant, limit: 1, runId: ended.id });
  expect(last).toMatchObject({
    actor: 'the end of the run',
    action: 'approval-withdrawn/call',
    call_id: '1.0',
  });
  const gone = database.db.deleteFrom('audit').execute();
  await expect(gone).rejects.toThrow('audit is only ever added to');
  const changed = database.db.updateTable('audit').set({ actor: 'nobody' }).execute();
  await expect(changed).rejects.toThrow('audit is only ever added to');
});
