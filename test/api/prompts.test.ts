// What a model is sent by every way into a conversation, from the route over the rows to the request of a step.
// How one history becomes messages is in `test/activities/prompt/assemble.test.ts`.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import type { ActivityDeps } from '../../activities/deps.ts';
import type { LlmMessage } from '../../activities/llm/llm.ts';
import { askingOf } from '../../activities/step/asking.ts';
import { createContents } from '../../activities/store/log/contents.ts';
import { readContext } from '../../activities/store/runs/messages.ts';
import type { RunRow } from '../../activities/store/runs/runs.ts';
import { createWakeUpChore } from '../../api/upkeep/wake-up-chore.ts';
import { askingRun, delegatingRun, reports } from '../support/delegating.ts';
import { aCall, anAttempt, storeOver, type TestStore } from '../support/store.ts';
import { createTestApp, type TestApp } from '../support/test-app.ts';

interface Place {
  api: TestApp;
  store: TestStore;
}

/** The run of which a step is asked, the first unless said otherwise. */
interface Entered {
  runId: string;
  step?: number;
  /** The run whose last prompt, and the answer to that, it goes on from; left out: there is none. */
  from?: RunRow;
}

const usual = 'What is in it?';
const encoded = (text: string): string => Buffer.from(text).toString('base64');

async function posted({ api }: Place, where: string, body: object): Promise<string> {
  const answer = await api.ask('POST', where, body);
  expect(answer.statusCode, answer.body).toBe(202);
  return answer.json<{ id: string }>().id;
}

/** To the conversation of the run that it goes on from. */
async function goneOn(place: Place, from: RunRow, where: string, body: object): Promise<Entered> {
  return { from, runId: await posted(place, `/conversations/${from.conversation_id}/${where}`, body) };
}

/** A run that has looked, has said what it saw, and has ended. */
async function answered({ store }: Place, conversationId?: string): Promise<RunRow> {
  const run = await store.started({ prompt: usual, ...(conversationId && { conversationId }) });
  await look(store, run);
  await store.claim(anAttempt(run, 'call/1.0'));
  await store.record(anAttempt(run, 'call/1.0'), { output: 'engine.ts' });
  await store.step(run, 2, { text: 'One file.' });
  await store.end(run);
  return store.run(run.id);
}

/** Its first step; the call has no result yet. */
async function look(store: TestStore, run: RunRow): Promise<void> {
  const call = aCall('1.0', { tool: 'list', input: { path: '.' }, inputText: '{"path":"."}' });
  await store.step(run, 1, { text: 'I look.', calls: [call] });
}

/** The first of two such runs, the second of which a conversation would go on from by itself. */
async function left(place: Place): Promise<RunRow> {
  const first = await answered(place);
  await answered(place, first.conversation_id);
  return first;
}

/** A main run that was interrupted, whose subagents have reported, the second by failing; the others are at work. */
async function reported({ store }: Place, count: number, of: number, wakeUp?: 'auto'): Promise<RunRow> {
  const { parent, children } = await askingRun(store, of, { prompt: usual, ...(wakeUp && { wakeUp }) });
  await store.end(parent, { status: 'interrupted', reason: 'interrupted', reasonText: 'By a person.' });
  for (const [index, child] of children.slice(0, count).entries()) {
    if (index === 1)
      await store.end(child, { status: 'failed', reason: 'model_failed', reasonText: 'No model.' });
    else await reports(store, child, `Part ${index} is sound.`);
  }
  return store.run(parent.id);
}

async function woken({ api }: Place, parent: RunRow): Promise<Entered> {
  await createWakeUpChore({ parts: api.deps, logger: api.deps.logger }).act();
  const seen = await api.ask('GET', `/conversations/${parent.conversation_id}`);
  return { from: parent, runId: seen.json<{ activeRun: { id: string } }>().activeRun.id };
}

const binary = { type: 'binary', mode: 'inline', mediaType: 'text/plain' };
const files = [
  { type: 'text', text: 'The first is a plan.' },
  { ...binary, name: 'plan.txt', data: encoded('Lay stones.') },
  { ...binary, name: 'plan.png', data: encoded('PNG'), mediaType: 'image/png' },
  { ...binary, name: 'stones.csv', data: encoded('flint,chert'), mediaType: 'text/csv', mode: 'file' },
];

/** To add one: a line here. */
const entries: [way: string, enter: (place: Place) => Promise<Entered>][] = [
  [
    'a new conversation, with files',
    async (place) => ({ runId: await posted(place, '/runs', { prompt: usual, parts: files }) }),
  ],
  [
    'the next message',
    async (place) => goneOn(place, await answered(place), 'messages', { prompt: 'Read it.' }),
  ],
  [
    'the next message, with files',
    async (place) => goneOn(place, await answered(place), 'messages', { prompt: 'Read it.', parts: files }),
  ],
  [
    'the next message, after a run that failed',
    async (place) => {
      const from = await answered(place);
      const { conversation_id: conversationId } = from;
      const failed = await place.store.started({ prompt: 'Break it.', conversationId });
      await place.store.end(failed, { status: 'failed', reason: 'model_failed', reasonText: 'No model.' });
      return goneOn(place, from, 'messages', { prompt: 'Read it.' });
    },
  ],
  [
    'a steer with a file',
    async (place) => {
      const { store } = place;
      const run = await store.started({ prompt: usual });
      await look(store, run);
      const from = await store.run(run.id);
      await store.claim(anAttempt(run, 'call/1.0'));
      await store.record(anAttempt(run, 'call/1.0'), { output: 'engine.ts' });
      await posted(place, `/runs/${run.id}/steer`, { text: 'Read this too.', parts: files.slice(1, 2) });
      await store.open(anAttempt(run, 'model/2'));
      return { from, runId: run.id, step: 2 };
    },
  ],
  [
    'a message from an earlier run',
    async (place) => {
      const from = await left(place);
      return goneOn(place, from, 'messages', { prompt: 'Read it.', fromRunId: from.id });
    },
  ],
  ['another answer to the last message', async (place) => goneOn(place, await left(place), 'regenerate', {})],
  [
    'a fork of an earlier run',
    async (place) => {
      const from = await left(place);
      return goneOn(place, from, 'fork', { prompt: 'Read it.', fromRunId: from.id });
    },
  ],
  ['fire, of one report', async (place) => goneOn(place, await reported(place, 1, 1), 'fire', {})],
  [
    'fire, of a report and a failure while a third is at work, with words of a person',
    async (place) => goneOn(place, await reported(place, 2, 3), 'fire', { prompt: 'Sum it up.' }),
  ],
  ['a wake-up, when all have reported', async (place) => woken(place, await reported(place, 2, 2, 'auto'))],
  [
    'a wake-up, when the time to wait is over',
    async (place) => {
      const from = await reported(place, 1, 2, 'auto');
      const sql = 'update conversations set wake_at = now() where id = $1';
      await place.api.database.pool.query(sql, [from.conversation_id]);
      return woken(place, from);
    },
  ],
  ['a side question', async (place) => goneOn(place, await answered(place), 'ask', { prompt: 'Which one?' })],
  [
    'a side question in the middle of a step',
    async (place) => {
      const from = await answered(place);
      const { conversation_id: conversationId } = from;
      await look(place.store, await place.store.started({ prompt: 'Look again.', conversationId }));
      return goneOn(place, from, 'ask', { prompt: 'Which one?' });
    },
  ],
  ['a subagent, of its task alone', async ({ store }) => ({ runId: (await delegatingRun(store)).child.id })],
];

const deps = ({ api, store }: Place): ActivityDeps =>
  ({
    log: store.log,
    price: () => ({ costMicros: 0, priced: true }),
    contents: { get: api.deps.content },
    ...{ llms: [], tools: [], place: () => null, modelConfigOf: async () => ({}), windowOf: () => 200_000 },
  }) as unknown as ActivityDeps;

/** What its model is sent in that step, behind the protocol. */
async function sent(place: Place, runId: string, step: number): Promise<LlmMessage[]> {
  const run = await place.store.run(runId);
  const history = await readContext(place.api.database.db, run.tenant_id, run.id, step);
  const { request } = await askingOf(deps(place), { run, step }, { attempt: 1 }, history);
  return request.messages.slice(1);
}

/** Without what is another each time. */
function told(messages: LlmMessage[]): unknown {
  return JSON.parse(
    JSON.stringify(messages)
      .replaceAll(/Date: \d{4}-\d\d-\d\d/g, 'Date: today')
      .replaceAll(/[0-9a-f]{8}-[0-9a-f-]{27}/g, 'ID'),
  );
}

/** What stays, once more steps follow. */
const kept = (messages: LlmMessage[]): unknown[] =>
  messages.map((message) => ('context' in message ? { ...message, context: undefined } : message));

async function createPlace(): Promise<Place> {
  const folder = await mkdtemp(path.join(tmpdir(), 'perdure-prompts-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  let contents: ReturnType<typeof createContents> | undefined;
  const api = await createTestApp({
    keepContent: (queries, ...given) => contents!.put(...given, queries),
    content: (...given) => contents!.get(...given),
  });
  contents = createContents(api.database.db, folder);
  return { api, store: storeOver('', api.database, api.log) };
}

test('each way has its prompt, which begins as the one that it goes on from', async () => {
  const place = await createPlace();
  for (const [way, enter] of entries) {
    const { runId, step = 1, from } = await enter(place);
    const now = await sent(place, runId, step);
    const before = from ? kept(await sent(place, from.id, from.steps)) : [];
    // So that providers have it cached.
    expect.soft([way, kept(now).slice(0, before.length)]).toEqual([way, before]);
    expect.soft(told(now.slice(before.length))).toMatchSnapshot(way);
  }
});
