import { expect, test } from 'vitest';
import { EventListView } from '../../../workflows/contracts/event.ts';
import { RunListView, RunView } from '../../../workflows/contracts/run.ts';
import { sourcesOf } from '../../support/accepting.ts';
import { createTestApp } from '../../support/test-app.ts';
import { appendTexts, endOfRun, startRun } from '../stream/streams.ts';

test('an accepted run is stored, its workflow started, and it can be read', async () => {
  const api = await createTestApp();
  const answer = await api.ask('POST', '/runs', {
    prompt: 'say hello',
    project: { path: '/tmp/shop' },
    priority: 'high',
    limits: { steps: 7 },
    metadata: { ticket: 'A-1' },
  });
  expect(answer.statusCode, answer.body).toBe(202);
  const started = answer.json<{ id: string; conversationId: string }>();
  expect(started).toEqual({
    id: expect.any(String),
    conversationId: expect.any(String),
    status: 'queued',
    became: 'run',
    streamUrl: `/api/v1/runs/${started.id}/stream`,
    eventsUrl: `/api/v1/runs/${started.id}/events`,
  });
  expect(api.told).toEqual([`started ${started.id}`]);
  expect(RunView.parse((await api.ask('GET', `/runs/${started.id}`)).json())).toEqual({
    id: started.id,
    conversationId: started.conversationId,
    ...{ kind: 'main', parentId: null, alternativeOf: null, delegation: null, subagents: 0 },
    status: 'queued',
    parked: false,
    stuck: null,
    reason: null,
    reasonText: null,
    prompt: 'say hello',
    model: 'scripted/hello',
    policy: 'headless-safe-sandbox',
    priority: 'high',
    project: { path: '/tmp/shop' },
    workspace: null,
    limits: { steps: 7, seconds: 600, costMicros: 5_000_000, tokens: 5_000_000 },
    attended: false,
    execMode: 'mount',
    container: null,
    executor: null,
    workTree: 'in-place',
    homecoming: null,
    overBudget: 'fail',
    owner: null,
    preset: null,
    externalTools: [],
    sources: {
      ...sourcesOf('instance'),
      ...{ project: 'request', workspace: 'request' },
      priority: 'request',
      limits: { ...sourcesOf('instance').limits, steps: 'request' },
    },
    acceptNoContainment: false,
    deniedCalls: null,
    metadata: { ticket: 'A-1' },
    steps: 0,
    usage: { inputTokens: 0, cachedInputTokens: 0, outputTokens: 0 },
    costMicros: 0,
    ceilingCostMicros: 0,
    heldCostMicros: 0,
    createdAt: expect.any(String),
    startedAt: null,
    endedAt: null,
    finalMessage: null,
  });
  const events = (await api.ask('GET', `/runs/${started.id}/events`)).json();
  expect(events.items[0].payload.by).toBe('first (api)');
});

test('an unknown model or policy is refused by name', async () => {
  const api = await createTestApp();
  const model = await api.ask('POST', '/runs', { prompt: 'hi', model: 'acme/one' });
  const policy = await api.ask('POST', '/runs', { prompt: 'hi', policy: 'yolo' });
  expect([model.statusCode, model.json().code]).toEqual([422, 'UnknownModel']);
  expect([policy.statusCode, policy.json().code]).toEqual([422, 'UnknownPolicy']);
  expect(api.told).toEqual([]);
});

test('a project has the one path that links lead to, and a path that breaks lines is refused in one sentence', async () => {
  const api = await createTestApp({
    realPath: async (folder) =>
      folder.replace('/srv/link', '/srv/日本 #1').replace('/srv/unfit', '/srv/a\nb'),
  });
  const start = async (folder: string) => {
    const answer = await api.ask('POST', '/runs', { prompt: 'hi', project: { path: folder } });
    if (answer.statusCode !== 202) return [answer.statusCode, answer.json().detail, answer.json().fields];
    return (await api.ask('GET', `/runs/${answer.json().id}`)).json().project;
  };
  const problem = 'must have no line break or control character; rename the directory';
  expect([await start('/srv/link/.'), await start('/srv/unfit'), await start('/srv/\u001b[2J')]).toEqual([
    { path: '/srv/日本 #1/.' },
    [
      400,
      'A project directory must have no line break or control character in its path; rename it.',
      undefined,
    ],
    [400, expect.any(String), [{ path: 'project.path', problem }]],
  ]);
});

test('pages of runs hold each once, newest first, and the filters narrow them', async () => {
  const api = await createTestApp();
  const made = [];
  for (let count = 0; count < 5; count += 1) made.push(await startRun(api));
  const ended = made[2];
  if (!ended) throw new Error('five runs were made');
  await endOfRun(api, ended);
  const ids = async (query: string) =>
    RunListView.parse((await api.ask('GET', `/runs${query}`)).json()).items.map((run) => run.id);
  const newest = made.map((run) => run.id).toReversed();
  const first = RunListView.parse((await api.ask('GET', '/runs?limit=3')).json());
  expect([...first.items.map((run) => run.id), ...(await ids(`?cursor=${first.nextCursor}`))]).toEqual(
    newest,
  );
  expect(await ids('?active=false')).toEqual([ended.id]);
  expect(await ids('?status=failed')).toEqual([ended.id]);
  expect(await ids('?active=true')).toEqual(newest.filter((id) => id !== ended.id));
  expect(await ids(`?conversationId=${ended.conversationId}`)).toEqual([ended.id]);
});

test('pages of events go on from their cursor to the end', async () => {
  const api = await createTestApp();
  const run = await startRun(api);
  await appendTexts(api, run, 25);
  const seen: number[] = [];
  for (let after: string | null = '0'; after !== null; ) {
    const answer = await api.ask('GET', `/runs/${run.id}/events?limit=10&after=${after}`);
    const page = EventListView.parse(answer.json()) as EventListView;
    seen.push(...page.items.map((event) => event.seq));
    after = page.nextCursor;
  }
  expect(seen).toEqual(Array.from({ length: 26 }, (_, index) => index + 1));
  const deltas = await api.ask('GET', `/runs/${run.id}/events?type=text-delta&limit=1000`);
  expect(deltas.json().items.length).toBe(25);
});

test('an export without a limit has every event, one a line', async () => {
  const api = await createTestApp();
  const run = await startRun(api);
  await appendTexts(api, run, 2_040);
  const answer = await api.ask('GET', `/runs/${run.id}/events?format=jsonl`);
  expect(answer.headers['content-type']).toBe('application/x-ndjson; charset=utf-8');
  const lines = answer.body.trimEnd().split('\n');
  expect(lines.map((line) => JSON.parse(line).seq)).toEqual(
    Array.from({ length: 2_041 }, (_, index) => index + 1),
  );
  const some = await api.ask('GET', `/runs/${run.id}/events?format=jsonl&after=2000&limit=2`);
  expect(some.body.trimEnd().split('\n').length).toBe(2);
});

test('a cursor from the future is refused on a page of events too', async () => {
  const api = await createTestApp();
  const run = await startRun(api);
  const answer = await api.ask('GET', `/runs/${run.id}/events?after=2`);
  expect([answer.statusCode, answer.json().code]).toEqual([400, 'InvalidCursor']);
});

test('the diff of a run is passed on as it is', async () => {
  const api = await createTestApp({
    diff: async (run) => ({ runId: run.id, diff: 'x', files: [], truncated: true, others: [] }),
  });
  const run = await startRun(api);
  const answer = await api.ask('GET', `/runs/${run.id}/diff`);
  expect(answer.json()).toEqual({ runId: run.id, diff: 'x', files: [], truncated: true, others: [] });
});
