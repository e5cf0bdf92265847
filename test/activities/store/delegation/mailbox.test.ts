// The mailbox of a conversation over the rows: what reports become whose main run has ended, and who is told of them.
import { expect, test } from 'vitest';
import { letsGo } from '../../../../activities/store/delegation/mailbox.ts';
import { defaultTenant } from '../../../../activities/store/db/database.ts';
import { fire, Overtaken } from '../../../../activities/store/lifecycle/fire.ts';
import { ensureBuiltIns } from '../../../../activities/store/policies/policies.ts';
import type { RunRow } from '../../../../activities/store/runs/runs.ts';
import { mostWakeUps } from '../../../../workflows/contracts/delegation.ts';
import { aDelegation, askingRun, delegated } from '../../../support/delegating.ts';
import { keep, mailboxesIn } from '../../../support/mailboxes.ts';
import { openTestStore } from '../../../support/store.ts';
import { startNeeds } from '../../../support/start-needs.ts';

const store = await openTestStore();
const { db } = store.database;
// The policy of a continuation is looked up, as for any message.
await ensureBuiltIns(db, defaultTenant);
const { asking, says, fired, woken, toWake, mailboxOf, pendingOf, toldTo, passTime } = mailboxesIn(store);

const usual = 'Go on with what your subagents report.';

test('an interrupt leaves async subagents alone, and one continuation is told what they say, in the order of the calls', async () => {
  const { parent, children } = await asking(3);
  const [first, second, third] = children as [RunRow, RunRow, RunRow];
  await says(second, 'Second.');
  const ended = await store.end(parent, { status: 'interrupted', reason: 'interrupted' });
  expect(ended.wakes).toBeUndefined();
  await says(first, 'First.');
  await store.end(third, { status: 'failed', reason: 'model_failed', reasonText: 'No model.' });
  expect(await mailboxOf(parent)).toEqual([
    ['1.0', 'First.', 'pending', false, null],
    ['1.1', 'Second.', 'pending', false, null],
    ['1.2', null, 'pending', false, null],
  ]);
  expect(await pendingOf(parent)).toBe(3);
  const { run, became } = await fired(parent);
  expect([became, run.parent_id, run.kind]).toEqual(['started', parent.id, 'main']);
  expect(await toldTo(run)).toEqual([
    usual,
    'Call 1.0. The subagent part-0 has finished:\nFirst.',
    'Call 1.1. The subagent part-1 has finished:\nSecond.',
    `Call 1.2. The subagent part-2 (run ${third.id}) has ended as failed: No model.`,
  ]);
  expect(await pendingOf(parent)).toBe(0);
  expect((await mailboxOf(parent)).every((item) => (item as unknown[])[4] === run.id)).toBe(true);
});

test('a cancel takes all subagents along, and nobody is told what they say', async () => {
  const { parent, children } = await asking(2);
  const [early, late] = children as [RunRow, RunRow];
  await says(early, 'Early.');
  const ended = await store.end(parent, { status: 'cancelled', reason: 'cancelled' });
  expect(ended.wakes).toEqual([late.id]);
  await store.end(late, { status: 'cancelled', reason: 'cancelled' });
  expect(await mailboxOf(parent)).toEqual([
    ['1.0', 'Early.', 'late', true, null],
    ['1.1', null, 'late', true, null],
  ]);
  expect(await pendingOf(parent)).toBe(0);
});

test('two that fire at once drain once, and the second is told of the run of the first', async () => {
  const { parent, children } = await asking(2);
  await store.end(parent, { status: 'interrupted', reason: 'interrupted' });
  for (const child of children) await says(child, 'Done.');
  const results = await Promise.allSettled([fired(parent), fired(parent), fired(parent)]);
  const runs = results.flatMap((result) => (result.status === 'fulfilled' ? [result.value.run] : []));
  expect(runs).toHaveLength(1);
  const [run] = runs as [RunRow];
  const refused = results.flatMap((result) =>
    result.status === 'rejected' ? [[result.reason.code, result.reason.extra]] : [],
  );
  const busy = ['ConversationBusy', { activeRunId: run.id }];
  expect(refused).toEqual([busy, busy]);
  await store.begin(run);
  await store.end(run);
  await expect(fired(parent)).rejects.toMatchObject({ code: 'MailboxEmpty', extra: { lastRunId: run.id } });
});

test('what a continuation was told that comes to nothing is pending again, and waits for people', async () => {
  const { parent, children } = await asking(1, 'auto');
  const [child] = children as [RunRow];
  await store.end(parent);
  await says(child, 'Done.');
  const { run } = await woken(parent);
  await store.end(run, { status: 'failed', reason: 'workflow_gone' });
  expect(await mailboxOf(parent)).toEqual([['1.0', 'Done.', 'pending', false, null]]);
  expect(await toWake(parent)).toEqual([]);
  const { run: again } = await fired(parent, 'Once more.');
  expect(await toldTo(again)).toEqual(['Once more.', 'Call 1.0. The subagent part-0 has finished:\nDone.']);
  expect(again.parent_id).toBe(parent.id);
});

test('a continuation that is stopped before it began, with nothing before it, gives back what it was told', async () => {
  const { parent, children } = await asking(1);
  await store.end(parent, { status: 'failed', reason: 'model_failed' });
  await says(children[0] as RunRow, 'Done.');
  const { run } = await fired(parent);
  expect([run.parent_id, await pendingOf(parent)]).toEqual([null, 0]);
  await store.end(run, { status: 'interrupted', reason: 'interrupted' });
  expect(await pendingOf(parent)).toBe(1);
  const { run: next } = await fired(parent, 'Go on.');
  expect(await toldTo(next)).toEqual(['Go on.', 'Call 1.0. The subagent part-0 has finished:\nDone.']);
});

test('a refused continuation leaves all of it pending', async () => {
  const { parent, children } = await asking(1);
  const [child] = children as [RunRow];
  await store.end(parent, { status: 'interrupted', reason: 'interrupted' });
  await says(child, 'Done.');
  const starter = { tenantId: defaultTenant, by: 'test', requestId: 'request-2' };
  const full = { ...startNeeds, diskProblem: () => 'The disk is full.' };
  const refused = store.log.write('fire', (write) =>
    fire(write, full, starter, { conversationId: parent.conversation_id }, keep),
  );
  await expect(refused).rejects.toMatchObject({ code: 'DiskFull' });
  const dying = store.log.write('fire', async (write) => {
    await fire(write, startNeeds, starter, { conversationId: parent.conversation_id }, keep);
    throw new Error('It dies before the commit.');
  });
  await expect(dying).rejects.toThrow('before the commit');
  expect(await pendingOf(parent)).toBe(1);
});

test('a main run stays for its subagents unless its conversation says otherwise, and where all they change comes home with it', async () => {
  const [stays, goes] = [await asking(1), await asking(1, 'manual')];
  const hybrid = { wakeUp: 'manual', workTree: 'own', bringsHome: true } as const;
  const bringing = await askingRun(store, 1, hybrid);
  expect(await letsGo(db, stays.parent.id)).toBe(false);
  expect(await letsGo(db, goes.parent.id)).toBe(true);
  expect(await letsGo(db, bringing.parent.id)).toBe(false);
  // A subagent stays for its own.
  expect(await letsGo(db, (goes.children[0] as RunRow).id)).toBe(false);
});

test('a conversation goes on by itself once, when the last of its subagents has ended', async () => {
  const { parent, children } = await asking(2, 'auto');
  const [one, other] = children as [RunRow, RunRow];
  await says(one, 'One.');
  expect(await toWake(parent)).toEqual([]);
  await store.end(parent);
  expect(await toWake(parent)).toEqual([]);
  await expect(woken(parent)).rejects.toBeInstanceOf(Overtaken);
  await says(other, 'Other.');
  expect(await toWake(parent)).toEqual([false]);
  const results = await Promise.allSettled([woken(parent), woken(parent)]);
  const runs = results.flatMap((result) => (result.status === 'fulfilled' ? [result.value.run] : []));
  expect(runs).toHaveLength(1);
  const [run] = runs as [RunRow];
  expect(await toldTo(run)).toEqual([
    usual,
    'Call 1.0. The subagent part-0 has finished:\nOne.',
    'Call 1.1. The subagent part-1 has finished:\nOther.',
  ]);
  expect(await toWake(parent)).toEqual([]);
  await store.begin(run);
  await store.end(run);
  expect(await toWake(parent)).toEqual([]);
});

test('when its time is over it goes on with partial results, says so, and what comes later is late', async () => {
  const { parent, children } = await asking(2, 'auto');
  const [quick, slow] = children as [RunRow, RunRow];
  await store.end(parent);
  await says(quick, 'Quick.');
  expect(await toWake(parent)).toEqual([]);
  await passTime(parent);
  expect(await toWake(parent)).toEqual([true]);
  const { run } = await woken(parent);
  expect(await toldTo(run)).toEqual([
    usual,
    'Call 1.0. The subagent part-0 has finished:\nQuick.',
    'These are partial results. Still at work: part-1 (call 1.1). The time to wait for them is over. What they report comes later.',
  ]);
  await store.begin(run);
  await store.end(run);
  expect(await toWake(parent)).toEqual([]);
  await says(slow, 'Slow.');
  expect((await mailboxOf(parent))[1]).toEqual(['1.1', 'Slow.', 'pending', true, null]);
  const { run: next } = await woken(parent);
  expect(await toldTo(next)).toEqual([usual, 'Call 1.1, late. The subagent part-1 has finished:\nSlow.']);
});

test('what has all been reported when its time is over wakes it as complete, and nothing of it is late', async () => {
  const { parent, children } = await asking(1, 'auto');
  const [child] = children as [RunRow];
  await store.end(parent);
  await says(child, 'Done.');
  await passTime(parent);
  const { run } = await woken(parent);
  expect(await toldTo(run)).toEqual([usual, 'Call 1.0. The subagent part-0 has finished:\nDone.']);
  expect(await mailboxOf(parent)).toEqual([['1.0', 'Done.', 'delivered', false, run.id]]);
});

test('a continuation takes as many reports as fill a quarter of its model’s window, and at least one', async () => {
  const { parent, children } = await asking(5);
  await store.end(parent, { status: 'interrupted', reason: 'interrupted' });
  const sizes = [2500, 2500, 2500, 40_000, 40_000];
  for (const [index, child] of children.entries()) await says(child, 'x'.repeat(sizes[index] ?? 0));
  const told: string[][] = [];
  for (let left = children.length; left > 0; left = (await pendingOf(parent)) ?? 0) {
    const { run } = await fired(parent, undefined, { windowOf: () => 8_000 });
    const texts = (await toldTo(run)).slice(1);
    expect(Buffer.byteLength(texts.join(''))).toBeLessThan(17_000);
    told.push(texts.map((text) => text.slice(0, 9)));
    await store.begin(run);
    await store.end(run);
  }
  expect(told).toEqual([
    ['Call 1.0.', 'Call 1.1.', '3 more re'],
    ['Call 1.2.', '2 more re'],
    ['Call 1.3.', '1 more re'],
    ['Call 1.4.'],
  ]);
});

test('a time to wait that is over already is no time to wait for what is asked for since', async () => {
  const { parent, children } = await asking(1, 'auto');
  await store.end(parent);
  await says(children[0] as RunRow, 'Done.');
  await passTime(parent);
  const next = await askingRun(store, 1, { conversationId: parent.conversation_id });
  await store.end(next.parent);
  expect(await toWake(parent)).toEqual([]);
});

test('agents that only wake each other stop, until a person says something', async () => {
  let { parent, children } = await asking(1, 'auto');
  for (let times = 0; times <= mostWakeUps; times += 1) {
    const [child] = children as [RunRow];
    await store.end(parent);
    await says(child, 'Done.');
    expect([times, await toWake(parent)]).toEqual([times, times < mostWakeUps ? [false] : []]);
    if (times === mostWakeUps) break;
    const { run } = await woken(parent);
    await store.begin(run);
    await store.step(run, 1, { calls: [aDelegation('1.0', 'async', { prompt: 'Again.', name: 'part-0' })] });
    const { child: next } = await delegated(store, run, '1.0', 'async');
    if (!next) throw new Error('There is no subagent.');
    await store.begin(next);
    [parent, children] = [await store.run(run.id), [next]];
  }
  const { run: person } = await store.accept({ conversationId: parent.conversation_id });
  await store.begin(person);
  await store.end(await store.run(person.id));
  expect(await toWake(parent)).toEqual([false]);
});
