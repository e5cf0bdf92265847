// Side questions and titles as people see them: runs beside the chain of a conversation.
import { expect, test } from 'vitest';
import { createTitleChore } from '../../../../api/upkeep/title-chore.ts';
import { RunListView, RunView } from '../../../../workflows/contracts/run.ts';
import { storeOver } from '../../../support/store.ts';
import { perdure, startApi } from '../captured.ts';

test('a side question is a run that stands beside the conversation, four at once at most', async () => {
  const { api, environment } = await startApi();
  const store = storeOver('', api.database, api.log);
  const main = await store.started();
  const { conversation_id: id } = main;
  const before = (await api.ask('GET', `/conversations/${id}`)).json();
  const ask = perdure(['ask', 'last', 'What have you done?', '--detach'], { environment });
  expect([await ask.code, ask.err()]).toEqual([0, '']);
  const run = RunView.parse((await api.ask('GET', `/runs/${ask.out().trim()}`)).json());
  expect(run).toMatchObject({
    ...{ kind: 'aside', parentId: main.id, prompt: 'What have you done?', project: null },
    ...{ attended: false, overBudget: 'fail', limits: { steps: 4, seconds: 300 } },
  });
  expect(api.told).toEqual([`started ${run.id}`]);
  const after = (await api.ask('GET', `/conversations/${id}`)).json();
  // Whoever watches the conversation sees the question and its answer.
  expect({ ...after, lastEvent: before.lastEvent }).toEqual(before);
  const listed = async (path: string) =>
    RunListView.parse((await api.ask('GET', path)).json()).items.map(({ kind }) => kind);
  expect(await listed('/runs')).toEqual(['main']);
  expect(await listed('/runs?subagents=true')).toEqual(['aside', 'main']);
  for (let more = 0; more < 3; more += 1)
    expect((await api.ask('POST', `/conversations/${id}/ask`, { prompt: 'And?' })).statusCode).toBe(202);
  const fifth = await api.ask('POST', `/conversations/${id}/ask`, { prompt: 'And?' });
  expect([fifth.statusCode, fifth.json()]).toMatchObject([
    409,
    { code: 'ConversationBusy', activeRunId: run.id },
  ]);
  // It is stopped as any run.
  expect((await api.ask('POST', `/runs/${run.id}/cancel`)).statusCode).toBe(202);
  expect((await api.ask('POST', `/conversations/${id}/ask`, { prompt: 'And?' })).statusCode).toBe(202);
  // The next message goes on from the main run.
  await store.step(main, 1);
  await store.end(main);
  const next = (await api.ask('POST', `/conversations/${id}/messages`, { prompt: 'On.' })).json();
  expect((await api.ask('GET', `/runs/${next.id}`)).json().parentId).toBe(main.id);
});

test('a title is made once the first run has answered, once, and not by a scripted model or over that of a person', async () => {
  const { api } = await startApi();
  const store = storeOver('', api.database, api.log);
  const [plain, named, failed] = [await store.started(), await store.started(), await store.started()];
  for (const run of [plain, named]) {
    await store.step(run, 1, { text: 'Mended.' });
    await store.end(run);
  }
  await store.end(failed, { status: 'failed', reason: 'model_failed' });
  await api.ask('PATCH', `/conversations/${named.conversation_id}`, { title: 'Mine' });
  const choreOf = (isScripted: boolean) =>
    createTitleChore({ parts: api.deps, scripted: isScripted ? ['scripted'] : [], logger: api.deps.logger });
  const titles = async () => {
    const { items } = (await api.ask('GET', '/runs?subagents=true')).json<RunListView>();
    return items.filter(({ kind }) => kind === 'title');
  };
  await choreOf(true).act();
  expect(await titles()).toEqual([]);
  await Promise.all([choreOf(false).act(), choreOf(false).act()]);
  await choreOf(false).act();
  const made = await titles();
  expect(made).toMatchObject([
    {
      ...{ conversationId: plain.conversation_id, parentId: null, status: 'queued', preset: null },
      limits: { steps: 4, maxOutputTokens: 1000 },
    },
  ]);
  expect(made[0]?.prompt).toMatch(/A person: Say hello\.\n\nThe answer: Mended\.$/);
  expect(api.told).toEqual([`started ${made[0]?.id}`]);
});

test('conversations with scripted models keep none of the others waiting for a title', async () => {
  const { api } = await startApi();
  const store = storeOver('', api.database, api.log);
  // More than one pass takes.
  for (const model of [...Array.from({ length: 21 }, () => 'script/hello'), 'scripted/hello']) {
    const run = await store.started({ model });
    await store.step(run, 1, { text: 'Mended.' });
    await store.end(run);
  }
  await createTitleChore({ parts: api.deps, scripted: ['script'], logger: api.deps.logger }).act();
  const { items } = (await api.ask('GET', '/runs?subagents=true')).json<RunListView>();
  expect(items.filter(({ kind }) => kind === 'title').map(({ model }) => model)).toEqual(['scripted/hello']);
});
