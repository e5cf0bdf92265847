// Runs beside the chain: side questions and titles, with real workers.
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { defaultTenant } from '../../activities/store/db/database.ts';
import { type Aside, startAside } from '../../activities/store/lifecycle/aside.ts';
import { parentFor, type RunRow } from '../../activities/store/runs/runs.ts';
import { readContext } from '../../activities/store/runs/messages.ts';
import { createSweeper } from '../../api/upkeep/sweeper.ts';
import { type Kernel, withKernel } from '../support/kernel.ts';
import { startNeeds } from '../support/start-needs.ts';

async function asked(
  { store, runs }: Kernel,
  of: RunRow,
  aside: Pick<Aside, 'prompt' | 'kind'>,
): Promise<RunRow> {
  const starter = { tenantId: defaultTenant, by: 'test', requestId: 'request-2' };
  const { run } = await store.log.write('ask', (write) =>
    startAside(write, startNeeds, starter, { conversationId: of.conversation_id, ...aside }),
  );
  runs.started(run);
  return run;
}

withKernel((kernel) => {
  beforeAll(() => {
    const { logger, store, upkeep } = kernel;
    const sweeper = createSweeper({ db: store.log.db, kinds: upkeep, logger, everyMs: 200 });
    return () => sweeper.close();
  });

  test('a side question is answered from what is whole of a run at work, does nothing, is paid for, and leaves nothing behind', async () => {
    const projectPath = await kernel.project();
    const shell = (command: string) => ({ tool: 'shell', input: { command } });
    const work = { lastMessage: 'main work' };
    const question = { lastMessage: 'What did it say?' };
    const model = await kernel.script(
      { match: work, calls: [shell('echo marker-42')] },
      { match: work, calls: [shell('until [ -e go ]; do sleep 0.02; done')] },
      { match: { ...question, lastResult: 'marker-42' }, calls: [shell('touch here')] },
      { match: { ...question, lastResult: 'this is a side question' }, text: 'It said marker-42.' },
      { match: work, text: 'Done.' },
    );
    const run = await kernel.start({ model, prompt: 'main work', projectPath });
    await kernel.seen(run, 'call-start', ({ callId }: { callId: string }) => callId === '2.0');
    const aside = await asked(kernel, run, { prompt: 'What did it say?', kind: 'aside' });
    expect(await kernel.ended(aside)).toMatchObject({
      ...{ status: 'succeeded', kind: 'aside', parent_id: run.id, project_path: null },
      ...{ final_message: 'It said marker-42.', steps: 2 },
    });
    await writeFile(path.join(projectPath, 'go'), '');
    expect(await kernel.ended(run)).toMatchObject({ status: 'succeeded', final_message: 'Done.', steps: 3 });
    const { db } = kernel.store.database;
    const context = await readContext(db, defaultTenant, run.id);
    expect(context.map(({ text }) => text).join('\n')).not.toContain('What did it say?');
    expect(await parentFor(db, defaultTenant, run.conversation_id)).toBe(run.id);
    const entries = await db
      .selectFrom('allowance_entries')
      .select('kind')
      .where('run_id', '=', aside.id)
      .orderBy('id')
      .execute();
    expect(entries.map(({ kind }) => kind)).toEqual(['reserve', 'settle', 'reserve', 'settle']);
    const places = await db
      .selectFrom('allowance_places')
      .select(['name', 'state'])
      .where('run_id', '=', aside.id)
      .where('name', '=', 'tenant')
      .execute();
    expect(places).toEqual([{ name: 'tenant', state: 'ended' }]);
  });

  test('the run that makes a title gives it to the conversation, unless a person has given one', async () => {
    const model = await kernel.script(
      { match: { lastMessage: 'a title' }, text: '**"Mending the cart."**\nIt is about that.' },
      { text: 'Mended.' },
    );
    const { db } = kernel.store.database;
    const titleOf = async ({ conversation_id: id }: RunRow) =>
      (await db.selectFrom('conversations').select('title').where('id', '=', id).executeTakeFirst())?.title;
    const first = await kernel.start({ model, prompt: 'Mend it.' });
    await kernel.ended(first);
    expect(await titleOf(first)).toBe('Mend it.');
    await kernel.ended(await asked(kernel, first, { prompt: 'Make a title of it.', kind: 'title' }));
    expect(await titleOf(first)).toBe('Mending the cart');
    const other = await kernel.start({ model, prompt: 'Mend that.' });
    await kernel.ended(other);
    const given = { title: 'Mine', title_given: true };
    await db.updateTable('conversations').set(given).where('id', '=', other.conversation_id).execute();
    await kernel.ended(await asked(kernel, other, { prompt: 'Make a title of it.', kind: 'title' }));
    expect(await titleOf(other)).toBe('Mine');
  });
});
