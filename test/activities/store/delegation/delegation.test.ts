import { expect, test } from 'vitest';
import { childrenOf } from '../../../../activities/store/delegation/delegations.ts';
import { openApprovals } from '../../../../activities/store/approvals/approval-lists.ts';
import { answerApproval } from '../../../../activities/store/approvals/approvals.ts';
import { shortageOf } from '../../../../activities/store/allowances/own-limits.ts';
import { afterEnd } from '../../../../activities/store/lifecycle/after-end.ts';
import { activeAbove, sweepRuns } from '../../../../activities/store/retention/delete-runs.ts';
import { othersAtWork } from '../../../../activities/store/runs/own-trees.ts';
import { listUndrained, type RunRow } from '../../../../activities/store/runs/runs.ts';
import { mostAtOnce, mostInAll } from '../../../../workflows/contracts/delegation.ts';
import { aDelegation, askingRun, attended, delegated, delegatingRun } from '../../../support/delegating.ts';
import { aCall, anAttempt, expectWholeLog, lockedRun, openTestStore } from '../../../support/store.ts';

const store = await openTestStore();

async function callOf(run: RunRow, callId: string) {
  return store.database.db
    .selectFrom('calls')
    .select(['status', 'output'])
    .where('run_id', '=', run.id)
    .where('call_id', '=', callId)
    .executeTakeFirstOrThrow();
}

test('a call that is made again asks for no second subagent, and waits or has its result', async () => {
  const { parent, child } = await delegatingRun(store);
  expect(parent.status).toBe('waiting_workers');
  const again = await delegated(store, parent, '1.0', 'inline', 2);
  expect([again.status, again.child?.id]).toEqual(['waiting', child.id]);
  await store.begin(child);
  await store.step(child, 1, { text: 'Found it.' });
  expect((await store.end(child)).wakes).toEqual([parent.id]);
  expect(await attended(store, parent)).toEqual(['1.0']);
  expect(await attended(store, parent)).toEqual(['1.0']);
  expect(await callOf(parent, '1.0')).toEqual({
    status: 'succeeded',
    output: `The subagent agent-1.0 has finished:\nFound it.`,
  });
  expect((await delegated(store, parent, '1.0', 'inline', 3)).status).toBe('succeeded');
  expect(await store.run(parent.id)).toMatchObject({ status: 'running', children: 1 });
  expect((await childrenOf(store.database.db, parent.id)).map(({ state }) => state)).toEqual(['delivered']);
  await expectWholeLog(store);
});

test('a subagent goes by what its parent goes by, within what is left to it, and never widens it', async () => {
  const parent = await store.started({
    ...{ attended: true, overBudget: 'pause', priority: 'high', owner: null },
    ...{ limits: { steps: 20, seconds: 600, costMicros: 1000, tokens: 5000 } },
    externalTools: [{ name: 'theirs', description: 'A tool.', inputSchema: { type: 'object' } }],
  });
  await store.step(parent, 1, { calls: [aDelegation('1.0', 'inline')] });
  const { child } = await delegated(store, parent, '1.0', 'inline');
  const same = [
    'policy',
    'policy_scopes',
    'exec_mode',
    'container',
    'attended',
    'model',
    'priority',
    'project_path',
  ] as const;
  for (const name of same) expect(child?.[name], name).toEqual(parent[name]);
  expect(child).toMatchObject({
    ...{ kind: 'subagent', parent_id: null, external_tools: [], over_budget: 'fail' },
    conversation_id: parent.conversation_id,
    // The parent has used 7 micro-dollars and 15 tokens.
    limits: { steps: 20, costMicros: 993, tokens: 4985, seconds: 600 },
  });
});

test('what a tree uses counts for each run above, and the limit of the main run stops all of it', async () => {
  const limits = { steps: 20, seconds: 600, costMicros: 20, tokens: 5000 };
  const parent = await store.started({ limits });
  await store.step(parent, 1, { calls: [aDelegation('1.0', 'inline'), aDelegation('1.1', 'inline')] });
  const children: RunRow[] = [];
  for (const callId of ['1.0', '1.1']) {
    const { child } = await delegated(store, parent, callId, 'inline');
    if (child) children.push(child);
  }
  for (const child of children) {
    await store.begin(child);
    await store.step(child, 1);
  }
  // Three calls of 7 each: none of the runs alone is over its own limit.
  const short = { allowanceId: null, limit: 'costMicros', allowed: 20, used: 21 };
  for (const run of [parent, ...children])
    expect(await shortageOf(store.database.db, await store.run(run.id))).toEqual(short);
});

test('no more subagents at once, in all or in depth than there may be', async () => {
  const parent = await store.started();
  const calls = Array.from({ length: mostInAll }, (_, index) => aDelegation(`1.${index}`, 'async'));
  await store.step(parent, 1, { calls });
  for (let index = 0; index < mostAtOnce; index += 1) {
    const { status, child } = await delegated(store, parent, `1.${index}`, 'async');
    expect(status).toBe('succeeded');
    expect(child).toBeDefined();
  }
  const over = await delegated(store, parent, `1.${mostAtOnce}`, 'async');
  expect([over.status, over.child]).toEqual(['failed', undefined]);
  expect((await callOf(parent, `1.${mostAtOnce}`)).output).toContain('16 subagents are at work');
  const endAll = async () => {
    for (const row of await childrenOf(store.database.db, parent.id))
      if (row.state === 'working')
        await store.end(await store.run(row.child_id), { status: 'failed', reason: 'internal_error' });
  };
  for (let index = mostAtOnce + 1; index < mostInAll; index += 1) {
    if (index % mostAtOnce === 1) await endAll();
    expect((await delegated(store, parent, `1.${index}`, 'async')).status).toBe('succeeded');
  }
  await endAll();
  // One call was refused: a second step asks for the last that there may be, and for one too many.
  await store.step(parent, 2, { calls: [aDelegation('2.0', 'async'), aDelegation('2.1', 'async')] });
  expect((await delegated(store, parent, '2.0', 'async')).status).toBe('succeeded');
  expect((await delegated(store, parent, '2.1', 'async')).status).toBe('failed');
  expect((await callOf(parent, '2.1')).output).toContain('All 64 subagents');
  let run = await store.started();
  for (const depth of [1, 2, 3, 4]) {
    await store.step(run, 1, { calls: [aDelegation('1.0', 'inline')] });
    const { status, child } = await delegated(store, run, '1.0', 'inline');
    expect([depth, status]).toEqual([depth, depth < 4 ? 'waiting' : 'failed']);
    if (!child) break;
    await store.begin(child);
    run = await store.run(child.id);
  }
  expect((await callOf(run, '1.0')).output).toContain('at most 3 deep');
});

test('a subagent takes no place among the runs of a pool, which its parent has', async () => {
  const { parent, child } = await delegatingRun(store);
  const places = await store.database.db
    .selectFrom('allowance_places')
    .select('name')
    .where('run_id', '=', child.id)
    .execute();
  expect(places).toEqual([]);
  const account = await store.database.db
    .selectFrom('allowance_runs')
    .select(['state', 'chain'])
    .where('run_id', '=', child.id)
    .executeTakeFirst();
  expect(account).toEqual({
    state: 'running',
    chain: ['tenant', `conversation/${parent.conversation_id}`, `run/${parent.id}`, `run/${child.id}`],
  });
});

test('a run waits for its subagents until the last of them has reported', async () => {
  const parent = await store.started();
  const callIds = ['1.0', '1.1'];
  await store.step(parent, 1, { calls: callIds.map((callId) => aDelegation(callId, 'inline')) });
  const children: RunRow[] = [];
  for (const callId of callIds) {
    const { child } = await delegated(store, parent, callId, 'inline');
    if (!child) throw new Error('There is no subagent.');
    await store.begin(child);
    children.push(child);
  }
  const seen: unknown[] = [];
  for (const child of children) {
    await store.end(child);
    seen.push([await attended(store, parent), (await store.run(parent.id)).status]);
  }
  expect(seen).toEqual([
    [['1.0'], 'waiting_workers'],
    [['1.0', '1.1'], 'running'],
  ]);
});

test('a named subagent has one run at a time', async () => {
  const parent = await store.started();
  const named = { prompt: 'Look.', name: 'reader' };
  await store.step(parent, 1, {
    calls: [aDelegation('1.0', 'async', named), aDelegation('1.1', 'async', named)],
  });
  expect((await delegated(store, parent, '1.0', 'async')).status).toBe('succeeded');
  expect((await delegated(store, parent, '1.1', 'async')).status).toBe('failed');
  expect((await callOf(parent, '1.1')).output).toBe(
    'The subagent reader is at work: wait for it, or use another name.',
  );
});

test('what has been reported when the run ends is late, and so is what comes after', async () => {
  const parent = await store.started();
  await store.step(parent, 1, { calls: [aDelegation('1.0', 'async'), aDelegation('1.1', 'async')] });
  const { child: early } = await delegated(store, parent, '1.0', 'async');
  const { child: late } = await delegated(store, parent, '1.1', 'async');
  if (!early || !late) throw new Error('There are no subagents.');
  for (const run of [early, late]) await store.begin(run);
  await store.end(early);
  const ended = await store.end(parent, { status: 'cancelled', reason: 'cancelled' });
  expect(ended.wakes).toEqual([late.id]);
  const told = await store.database.db
    .selectFrom('inputs')
    .select(['kind', 'by', 'status'])
    .where('run_id', '=', late.id)
    .execute();
  expect(told).toEqual([{ kind: 'cancel', by: `the end of run ${parent.id}`, status: 'accepted' }]);
  expect((await store.end(late, { status: 'cancelled', reason: 'cancelled' })).wakes).toBeUndefined();
  expect((await childrenOf(store.database.db, parent.id)).map(({ state }) => state)).toEqual([
    'late',
    'late',
  ]);
  const open = await store.open(anAttempt(parent, 'model/2'));
  expect(open.kind).toBe('stopped');
  await expectWholeLog(store);
});

test('a subagent takes those along that it did not wait for, which a main run would leave at work', async () => {
  const { child } = await delegatingRun(store);
  await store.begin(child);
  await store.step(child, 1, { calls: [aDelegation('1.0', 'async')] });
  const { child: below } = await delegated(store, child, '1.0', 'async');
  if (!below) throw new Error('There is no subagent.');
  await store.begin(below);
  const ended = await store.end(child, { status: 'failed', reason: 'internal_error' });
  expect(ended.wakes).toContain(below.id);
  const { db } = store.database;
  const told = await db.selectFrom('inputs').select(['kind', 'by']).where('run_id', '=', below.id).execute();
  expect(told).toEqual([{ kind: 'interrupt', by: `the end of run ${child.id}` }]);
  await store.end(below, { status: 'interrupted', reason: 'interrupted' });
  expect((await childrenOf(db, child.id)).map(({ state }) => state)).toEqual(['late']);
});

test('the tree that a conversation has of its own is not free while a subagent may write there', async () => {
  const { parent, child } = await delegatingRun(store, { workTree: 'own', projectPath: '/srv/shop' });
  await store.begin(child);
  const others = async (run: RunRow) => (await othersAtWork(store.database.db, run)).map(({ id }) => id);
  expect([await others(parent), await others(child)]).toEqual([[child.id], [parent.id]]);
  await store.end(parent, { status: 'interrupted', reason: 'interrupted' });
  // It was told to stop, and has not yet.
  expect([await others(parent), await others(child)]).toEqual([[child.id], []]);
  await store.end(child, { status: 'interrupted', reason: 'interrupted' });
  expect(await others(parent)).toEqual([]);
});

test('a subagent that has ended is kept while a run above it may not have been told', async () => {
  const { db } = store.database;
  const { parent, child } = await delegatingRun(store);
  await store.begin(child);
  const range = { tenantId: child.tenant_id, before: new Date(Date.now() + 60_000) };
  const removable = async () => (await sweepRuns.measure(db, range, 1000)).rows;
  const others = await removable();
  await afterEnd(store.log, await store.end(child));
  expect([await activeAbove(db, child.id), await removable()]).toEqual([parent.id, others]);
  expect(await attended(store, parent)).toEqual(['1.0']);
  await afterEnd(store.log, await store.end(parent));
  expect([await activeAbove(db, child.id), await removable()]).toEqual([undefined, others + 2]);
});

/** Waits for its async subagent by one call, and asks people about another. */
async function waitingAndAsking(): Promise<{ parent: RunRow; child: RunRow; answer(): Promise<unknown> }> {
  const { parent, children } = await askingRun(store, 1);
  const asked = aCall('2.1', { decision: 'ask', asks: { kind: 'call', text: 'shell', choices: [] } });
  await store.step(parent, 2, { calls: [aDelegation('2.0', 'wait', {}), asked] });
  expect((await delegated(store, parent, '2.0', 'wait')).status).toBe('waiting');
  const [approval] = await openApprovals(store.database.db, parent);
  return {
    parent,
    child: children[0] as RunRow,
    answer: () =>
      store.log.write('test', async (write) =>
        answerApproval(write, await lockedRun(write, parent.id), approval?.id ?? '', {
          status: 'denied',
          by: 'ada',
        }),
      ),
  };
}

test('a run that was parked while people were asked waits for its subagents once they have answered, and a lost wake is found', async () => {
  const { parent, child, answer } = await waitingAndAsking();
  const seen = [(await store.run(parent.id)).status];
  await answer();
  seen.push((await store.run(parent.id)).status);
  expect((await store.end(child)).wakes).toEqual([parent.id]);
  const undrained = await listUndrained(store.database.db, -1000, 1000);
  expect(undrained.map(({ id }) => id)).toContain(parent.id);
  expect(await attended(store, parent)).toEqual(['2.0']);
  seen.push((await store.run(parent.id)).status);
  expect(seen).toEqual(['awaiting_input', 'waiting_workers', 'running']);
});

test('a call that was parked and closed while people were asked leaves nothing to wait for', async () => {
  const { parent, child, answer } = await waitingAndAsking();
  await store.end(child);
  expect(await attended(store, parent)).toEqual(['2.0']);
  const seen = [(await store.run(parent.id)).status];
  await answer();
  expect([...seen, (await store.run(parent.id)).status]).toEqual(['awaiting_input', 'running']);
});
