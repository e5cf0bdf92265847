// What a mailbox comes to where the message of a continuation is answered anew, or asked again.
import { expect, test } from 'vitest';
import { defaultTenant } from '../../../../activities/store/db/database.ts';
import { fireAgain } from '../../../../activities/store/lifecycle/fire.ts';
import { startRun } from '../../../../activities/store/lifecycle/start-run.ts';
import { ensureBuiltIns } from '../../../../activities/store/policies/policies.ts';
import type { RunRow } from '../../../../activities/store/runs/runs.ts';
import { keep, mailboxesIn } from '../../../support/mailboxes.ts';
import { openTestStore } from '../../../support/store.ts';
import { startNeeds } from '../../../support/start-needs.ts';

const store = await openTestStore();
// The policy of a continuation is looked up, as for any message.
await ensureBuiltIns(store.database.db, defaultTenant);
const { asking, says, fired, mailboxOf, pendingOf, toldTo } = mailboxesIn(store);

/** The message of a run, answered anew. */
async function regenerated({ id, conversation_id: conversationId, prompt }: RunRow): Promise<RunRow> {
  const starter = { tenantId: defaultTenant, by: 'test', requestId: 'request-3' };
  const { run } = await store.log.write('test', async (write) =>
    startRun(
      write,
      startNeeds,
      starter,
      { conversationId, prompt, whenBusy: 'queue' },
      { again: { run: await store.run(id), beside: true } },
    ),
  );
  return run;
}

test('an answer made anew is told what the first one was told', async () => {
  const { parent, children } = await asking(1);
  const [child] = children as [RunRow];
  await store.end(parent, { status: 'interrupted', reason: 'interrupted' });
  await says(child, 'Done.');
  const { run: first } = await fired(parent, 'Go on.');
  await store.begin(first);
  await store.end(first);
  const run = await regenerated(first);
  const told = ['Go on.', 'Call 1.0. The subagent part-0 has finished:\nDone.'];
  expect([await toldTo(first), await toldTo(run)]).toEqual([told, told]);
  // It is told once more, and stays with the run that was told first.
  expect(await mailboxOf(parent)).toEqual([['1.0', 'Done.', 'delivered', false, first.id]]);
});

test.each(['failed', 'cancelled'] as const)(
  'a continuation at work that ends as %s leaves what it was told to the one that answers its message anew',
  async (status) => {
    const { parent, children } = await asking(1);
    await store.end(parent, { status: 'interrupted', reason: 'interrupted' });
    await says(children[0] as RunRow, 'Done.');
    const { run: first } = await fired(parent, 'Go on.');
    await store.begin(first);
    const [second, third] = [await regenerated(first), await regenerated(first)];
    const reason = status === 'failed' ? 'model_failed' : status;
    const holders: unknown[] = [];
    for (const run of [first, second, third]) {
      await store.end(run, { status, reason });
      holders.push(await mailboxOf(parent));
    }
    expect(holders).toEqual([
      [['1.0', 'Done.', 'delivered', false, second.id]],
      [['1.0', 'Done.', 'delivered', false, third.id]],
      [['1.0', 'Done.', 'pending', false, null]],
    ]);
  },
);

test.each(['interrupted', 'failed'] as const)(
  'a message of a fired run that failed, asked again, is told all that waits by now; one that then ends before its turn as %s gives it back',
  async (end) => {
    const { parent, children } = await asking(2);
    const [one, other] = children as [RunRow, RunRow];
    await store.end(parent, { status: 'interrupted', reason: 'interrupted' });
    await says(one, 'One.');
    const { run: first } = await fired(parent, 'Go on.');
    await store.begin(first);
    await store.end(first, { status: 'failed', reason: 'model_failed' });
    await says(other, 'Other.');
    const again = async (before: RunRow, messageId: string) =>
      store.log.write('test', async (write) => {
        const accepted = await startRun(
          write,
          startNeeds,
          { tenantId: defaultTenant, by: 'test', requestId: 'request-3' },
          { conversationId: parent.conversation_id, prompt: before.prompt, messageId, whenBusy: 'queue' },
          { again: { run: before } },
        );
        await fireAgain(write, startNeeds, accepted, before, keep);
        return accepted.run;
      });
    const { run: active } = await store.accept({ conversationId: parent.conversation_id });
    const parked = await again(await store.run(first.id), 'again');
    expect((await again(await store.run(first.id), 'again')).id).toBe(parked.id);
    const told = [
      'Go on.',
      'Call 1.0. The subagent part-0 has finished:\nOne.',
      'Call 1.1. The subagent part-1 has finished:\nOther.',
    ];
    expect([parked.parked, await toldTo(parked), await pendingOf(parent)]).toEqual([true, told, 0]);
    await store.end(parked, { status: end, reason: end === 'failed' ? 'model_failed' : 'interrupted' });
    expect(await pendingOf(parent)).toBe(2);
    await store.end(active, { status: 'cancelled', reason: 'cancelled' });
    // What was not told anything is told nothing when it is asked again.
    expect(await toldTo(await again(await store.run(active.id), 'plain'))).toEqual([active.prompt]);
    expect(await pendingOf(parent)).toBe(2);
  },
);
