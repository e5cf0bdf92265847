// One interrupt for all of a conversation: it reaches every run at work, however deep, and nothing goes on by itself.
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { beforeAll, expect, test, vi } from 'vitest';
import { defaultTenant } from '../../activities/store/db/database.ts';
import { fire } from '../../activities/store/lifecycle/fire.ts';
import { listToWake } from '../../activities/store/delegation/mailbox.ts';
import type { RunRow } from '../../activities/store/runs/runs.ts';
import { createSweeper } from '../../api/upkeep/sweeper.ts';
import { interruptAll } from '../../api/verbs/stop-run.ts';
import { perform, type VerbParts } from '../../api/verbs/verb.ts';
import type { InterruptedView } from '../../workflows/contracts/receipt.ts';
import { type Kernel, withKernel } from '../support/kernel.ts';
import { startNeeds } from '../support/start-needs.ts';

const untilGo = { tool: 'shell', input: { command: 'until [ -e go ]; do sleep 0.02; done' } };

function hands(tool: 'delegate' | 'delegate-async', name: string) {
  return { tool, input: { prompt: `part ${name}`, name } };
}

async function interrupt(
  { store, runs }: Kernel,
  conversationId: string,
  messageId: string,
): Promise<InterruptedView> {
  const parts = { runs, log: store.log } as unknown as VerbParts;
  const caller = { tenantId: defaultTenant, name: 'first', surface: 'test', requestId: messageId };
  const { body } = await perform(store.log, 'test', (write) =>
    interruptAll(parts, write, caller, { conversationId, messageId }),
  );
  return body;
}

/** Those of a conversation, the oldest first, once there are so many and each has answered once. */
async function atWork({ store }: Kernel, { conversation_id: id }: RunRow, count: number): Promise<RunRow[]> {
  return vi.waitFor(async () => {
    const query = store.database.db.selectFrom('runs').selectAll().where('conversation_id', '=', id);
    const rows = await query.orderBy('id').execute();
    expect(rows.map(({ parked, steps }) => parked || steps > 0)).toEqual(Array(count).fill(true));
    return rows;
  }, 120_000);
}

withKernel((kernel) => {
  // Starts and wakes that a loaded machine loses are repeated, as in the product.
  beforeAll(() => {
    const { logger, store, upkeep } = kernel;
    const sweeper = createSweeper({ db: store.log.db, kinds: upkeep, logger, everyMs: 200 });
    return () => sweeper.close();
  });

  test('an interrupt sent twice at once stops a tree three deep once, and the message behind it has its turn', async () => {
    const projectPath = await kernel.project();
    const model = await kernel.script(
      {
        match: { lastMessage: 'main work' },
        calls: [hands('delegate-async', 'aside'), hands('delegate', 'reader')],
      },
      { match: { lastMessage: 'part reader' }, calls: [hands('delegate', 'inner')] },
      { match: { lastMessage: 'part inner' }, calls: [hands('delegate', 'last')] },
      { match: { lastMessage: { regex: 'part (aside|last)' } }, calls: [untilGo] },
      { match: { lastMessage: 'next' }, text: 'The next.' },
    );
    const run = await kernel.start({ model, prompt: 'main work', projectPath });
    const conversationId = run.conversation_id;
    const next = await kernel.start({ ...{ conversationId, model, prompt: 'next' }, whenBusy: 'queue' });
    const tree = (await atWork(kernel, run, 6)).filter(({ id }) => id !== next.id);
    const answers = await Promise.all([1, 2].map(() => interrupt(kernel, conversationId, 'stop-1')));
    const receipt = { messageId: 'stop-1', status: 'accepted', step: null };
    const items = tree.map(({ id: runId }) => ({ runId, ...receipt }));
    // The other may have come when they had heard of it.
    expect(answers).toContainEqual({ conversationId, items });
    for (const told of answers)
      expect(told.items.map(({ runId }) => runId)).toEqual(items.map(({ runId }) => runId));
    const statuses = await Promise.all(tree.map(async (each) => (await kernel.ended(each)).status));
    expect(statuses).toEqual(tree.map(() => 'interrupted'));
    expect(await kernel.ended(next)).toMatchObject({
      ...{ status: 'succeeded', parent_id: run.id, final_message: 'The next.' },
    });
    for (const each of tree) {
      const told = (await kernel.store.events(each)).filter(({ type }) => type === 'interrupt-request');
      // One of the end of its parent may have come on top.
      expect(told.filter(({ payload }) => (payload as { by: string }).by === 'first (test)')).toHaveLength(1);
    }
  });

  test('with subagents alone at work it stops them, and the conversation sleeps until somebody fires', async () => {
    const projectPath = await kernel.project();
    const model = await kernel.script(
      { match: { lastMessage: 'main work' }, calls: [hands('delegate-async', 'reader')] },
      { match: { lastMessage: 'main work' }, text: 'I leave them to it.' },
      { match: { lastMessage: 'part reader' }, calls: [untilGo] },
      { text: 'I have read it.' },
    );
    const run = await kernel.start({ model, prompt: 'main work', projectPath, wakeUp: 'auto' });
    expect(await kernel.ended(run)).toMatchObject({ status: 'succeeded' });
    const [, child] = (await atWork(kernel, run, 2)) as [RunRow, RunRow];
    const { items } = await interrupt(kernel, run.conversation_id, 'stop-1');
    expect(items.map(({ runId }) => runId)).toEqual([child.id]);
    expect(await kernel.ended(child)).toMatchObject({ status: 'interrupted' });
    expect(await listToWake(kernel.store.database.db, 10)).toEqual([]);
    await expect(interrupt(kernel, run.conversation_id, 'stop-2')).rejects.toMatchObject({
      code: 'ConversationIdle',
    });
    await writeFile(path.join(projectPath, 'go'), '');
    const starter = { tenantId: defaultTenant, by: 'test', requestId: 'request-2' };
    const { run: fired } = await kernel.store.log.write('fire', (write) =>
      fire(write, startNeeds, starter, { conversationId: run.conversation_id }, async () => 'kept'),
    );
    kernel.runs.started(fired);
    expect(await kernel.ended(fired)).toMatchObject({ parent_id: run.id, final_message: 'I have read it.' });
  });
});
