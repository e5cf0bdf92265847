// A chat at a terminal: what goes above the line, what becomes of what is typed, and how it is left.
import { readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import { expect, test } from 'vitest';
import { type RunRow, listRuns } from '../../../../activities/store/runs/runs.ts';
import { streamOf } from '../../../../workflows/contracts/event.ts';
import type { RunView } from '../../../../workflows/contracts/run.ts';
import { createCuttingProxy } from '../../../support/cutting-proxy.ts';
import { storeOver, type TestStore } from '../../../support/store.ts';
import type { TestApp } from '../../../support/test-app.ts';
import { type Captured, eventually, makeFolder, perdure, startApi } from '../captured.ts';
import { screenOf, seen } from '../screen.ts';
import { asks, waitingRun } from '../waiting.ts';

const model = ['--model', 'scripted/hello', '--project', 'none'];
const ctrlC = '\u0003';
const ctrlD = '\u0004';

/** The newest run, once it is another than those before. */
function newest(api: TestApp, before = 0): Promise<RunRow> {
  return eventually(async () => {
    const runs = await listRuns(api.log.db, { tenantId: api.tenantId, limit: 10 });
    return runs.length > before ? runs[0] : undefined;
  });
}

/** Text of the model, as it streams. */
async function says(api: TestApp, run: RunRow, text: string): Promise<void> {
  await api.log.append({
    tenantId: api.tenantId,
    stream: streamOf('run', run.id),
    conversationId: run.conversation_id,
    events: [{ type: 'text-delta', payload: { step: 1, block: 0, text } }],
  });
}

async function begun(api: TestApp, before = 0): Promise<{ run: RunRow; store: TestStore }> {
  const run = await newest(api, before);
  const store = storeOver('', api.database, api.log);
  await store.begin(run);
  return { run: await store.run(run.id), store };
}

async function viewOf(api: TestApp, { id }: RunRow): Promise<RunView> {
  return (await api.ask('GET', `/runs/${id}`)).json<RunView>();
}

function lastLines(chat: Captured, count: number): string[] {
  return screenOf(chat.out()).slice(-count);
}

test('a message starts a run, and its answer streams above the line in which the next is typed', async () => {
  const { api, attend } = await startApi();
  const chat = attend('chat', ...model);
  await seen(chat, '› ');
  chat.type('Say hello\r');
  const { run, store } = await begun(api);
  expect([run.attended, run.prompt]).toEqual([true, 'Say hello']);
  await seen(chat, '» ');
  await says(api, run, 'Hello from ');
  await seen(chat, 'Hello from');
  chat.type('and no');
  await seen(chat, '» and no');
  await says(api, run, 'the model, ');
  await seen(chat, 'Hello from the model,\n» and no');
  chat.type('w\r');
  await seen(chat, '» first (cli): and now');
  expect(screenOf(chat.out()).join('\n')).not.toContain('» and now');
  await store.end(run);
  await seen(chat, 'succeeded');
  await eventually(() => (lastLines(chat, 1)[0] === '› ' ? true : undefined));
  chat.type('Again\r');
  const { run: second } = await begun(api, 1);
  expect([second.conversation_id, second.parent_id, second.model]).toEqual([
    run.conversation_id,
    run.id,
    'scripted/hello',
  ]);
  // It is told on the way out once the chat itself has heard of it.
  await eventually(() => (lastLines(chat, 1)[0] === '» ' ? true : undefined));
  chat.type(ctrlD);
  expect(await chat.code).toBe(0);
  expect(lastLines(chat, 1)).toEqual(['']);
  expect(chat.err()).toMatch(
    /Run [0-9a-f]+ goes on: perdure watch .*\nGo on with: perdure chat --conversation /,
  );
});

test('what asks is answered in the chat, and what was being typed comes back', async () => {
  const { api, attend } = await startApi();
  const chat = attend('chat', ...model);
  await seen(chat, '› ');
  chat.type('Make it\r');
  const row = await newest(api);
  await seen(chat, '» ');
  chat.type('half a tho');
  await seen(chat, '» half a tho');
  const run = await waitingRun(api, [asks('make')], row);
  await seen(chat, 'allow it? > ');
  chat.type('y\r');
  await seen(chat, '— approved by first (cli)');
  await seen(chat, '» half a tho');
  chat.type('ught\r');
  await seen(chat, '» first (cli): half a thought');
  await run.store.end(run.row);
  await seen(chat, 'succeeded');
  chat.type(ctrlD);
  expect(await chat.code).toBe(0);
});

test('what is asked beside the conversation is not drawn in it, and does not make it busy', async () => {
  const { api, attend } = await startApi();
  const chat = attend('chat', ...model);
  await seen(chat, '› ');
  chat.type('Work\r');
  const { run, store } = await begun(api);
  await store.end(run);
  await seen(chat, 'succeeded');
  const asked = await api.ask('POST', `/conversations/${run.conversation_id}/ask`, { prompt: 'And aside?' });
  const aside = await store.run(asked.json<RunView>().id);
  await store.begin(aside);
  await says(api, aside, 'Whispered aside. ');
  await store.end(await store.run(aside.id));
  // Its events are behind those in the stream, which is in order.
  const next = (
    await api.ask('POST', '/runs', { conversationId: run.conversation_id, prompt: 'More' })
  ).json<RunView>();
  await store.begin(await store.run(next.id));
  await says(api, await store.run(next.id), 'Aloud again. ');
  await seen(chat, 'Aloud again.');
  expect(screenOf(chat.out()).join('\n')).not.toContain('Whispered');
  chat.type(ctrlD);
  expect(await chat.code).toBe(0);
});

test('Ctrl-C takes back what is typed, then interrupts the run, then leaves', async () => {
  const { api, attend } = await startApi();
  const chat = attend('chat', ...model);
  await seen(chat, '› ');
  chat.type('Work\r');
  const { run } = await begun(api);
  await seen(chat, '» ');
  chat.type('wrong');
  await seen(chat, '» wrong');
  chat.type(ctrlC);
  await eventually(() => (lastLines(chat, 1)[0] === '» ' ? true : undefined));
  expect((await api.ask('GET', `/runs/${run.id}/events?type=interrupt-request`)).json()).toMatchObject({
    items: [],
  });
  chat.type(ctrlC);
  await seen(chat, '— interrupting; Ctrl-C once more leaves');
  await seen(chat, 'interrupt asked for by first (cli)');
  chat.type(ctrlC);
  expect(await chat.code).toBe(0);
});

test('/queue waits its turn, lines typed with \\ or pasted are one message, other words are explained', async () => {
  const { api, attend } = await startApi();
  const chat = attend('chat', ...model);
  await seen(chat, '› ');
  chat.type('one \\\r');
  await seen(chat, '… ');
  chat.type('two\r');
  const { run, store } = await begun(api);
  expect(run.prompt).toBe('one \ntwo');
  await seen(chat, '» ');
  chat.type('/queue Then this\r');
  await seen(chat, 'the conversation is busy');
  chat.type('/nonsense\r');
  await seen(chat, '! There is no /nonsense: /help lists what there is.');
  chat.type('/model scripted/tools\r');
  await seen(chat, '— scripted/tools answers from your next message on');
  await store.end(run);
  const { run: parked } = await begun(api, 1);
  expect([parked.prompt, (await viewOf(api, parked)).status]).toEqual(['Then this', 'running']);
  await seen(chat, 'its turn has come');
  await store.end(parked);
  await eventually(() => (lastLines(chat, 1)[0] === '› ' ? true : undefined));
  chat.type('pasted\nas one\r');
  const { run: third } = await begun(api, 2);
  expect([third.prompt, third.model]).toEqual(['pasted\nas one', 'scripted/tools']);
  chat.type('/cost\r');
  await seen(chat, '$0 · 3 runs');
  chat.type('/diff\r');
  await seen(chat, 'The run changed nothing.');
  chat.type('/quit\r');
  expect(await chat.code).toBe(0);
});

test('it goes on with a conversation, shows the run at work whole, and outlives a server that is away', async () => {
  const { api, url, environment } = await startApi();
  const { hostname, port } = new URL(url);
  const proxy = await createCuttingProxy({ host: hostname, port: Number(port) });
  const first = await waitingRun(api, []);
  await says(api, first.row, 'before the chat ');
  const chat = perdure(['chat', '--conversation', first.row.conversation_id], {
    environment: { ...environment, PERDURE_URL: proxy.urlOf(url), NO_COLOR: '1' },
    isAttended: true,
  });
  await seen(chat, 'before the chat');
  proxy.goDown();
  await seen(chat, 'the server does not answer');
  await says(api, first.row, 'while it was away ');
  proxy.comeBack();
  await seen(chat, 'while it was away');
  await first.store.end(first.row);
  await seen(chat, 'succeeded');
  expect(chat.out().split('while it was away').length).toBe(2);
  chat.type(ctrlD);
  expect(await chat.code).toBe(0);
});

test('a message that is not taken comes back into the line', async () => {
  const { attend } = await startApi();
  const chat = attend('chat', '--model', 'nobody/knows', '--project', 'none');
  await seen(chat, '› ');
  chat.type('Say hello\r');
  await seen(chat, '— not sent: ');
  await seen(chat, '\n› Say hello');
  chat.type(ctrlC + ctrlD);
  expect(await chat.code).toBe(0);
});

test('lines are kept for their person alone, but for those that begin with a space', async () => {
  const { environment } = await startApi();
  const folder = await makeFolder();
  const surroundings = {
    environment: { ...environment, NO_COLOR: '1', XDG_STATE_HOME: folder },
    isAttended: true,
  };
  const chat = perdure(['chat', ...model], surroundings);
  await seen(chat, '› ');
  chat.type('/cost\r');
  await seen(chat, '0 runs');
  chat.type(' // a message\r');
  await seen(chat, 'run ');
  chat.type(ctrlD);
  await chat.code;
  const file = path.join(folder, 'perdure', 'chat-history');
  expect([await readFile(file, 'utf8'), (await stat(file)).mode & 0o777]).toEqual(['/cost\n', 0o600]);
  const again = perdure(['chat', ...model], surroundings);
  await seen(again, '› ');
  again.type('\u001b[A');
  await seen(again, '› /cost');
  again.type(ctrlC + ctrlD);
  expect(await again.code).toBe(0);
});

test('without a terminal it says in one sentence what to do instead', async () => {
  const called = perdure(['chat'], { environment: { PERDURE_URL: 'http://127.0.0.1:9' } });
  expect([await called.code, called.err()]).toEqual([
    2,
    'perdure: A chat needs a terminal at both ends: without one, `perdure run -` takes a prompt from stdin.\n',
  ]);
});
