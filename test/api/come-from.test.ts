// The table of the root README for people who come from elsewhere: each counterpart it names is called, and does it.
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { expect, test } from 'vitest';
import { askingRun, reports } from '../support/delegating.ts';
import { storeOver } from '../support/store.ts';
import { createTestApp } from '../support/test-app.ts';
import { asks, waitingRun } from './cli/waiting.ts';

interface Ids {
  conversation: string;
  /** A run that is active. */
  run: string;
  /** A conversation without an active run, in whose mailbox a report waits, and the run that ended last in it. */
  idle: string;
  ended: string;
  /** A run that waits for an answer to its call 1.0, and for the result of 1.1. */
  asking: string;
  approval: string;
}

interface Example {
  path: string;
  body?: object;
  status: number;
}

const preset = { id: 'teller', name: 'Teller', instructions: 'Tell.' };

/** In the order in which they are called: what one makes, a later one changes. */
const examples: Record<string, (ids: Ids) => Example> = {
  'POST /presets': () => ({ path: '/presets', body: preset, status: 201 }),
  'GET /presets': () => ({ path: '/presets', status: 200 }),
  'GET /presets/{id}': () => ({ path: '/presets/teller', status: 200 }),
  'PUT /presets/{id}': () => ({
    path: '/presets/teller',
    body: { ...preset, name: 'Teller of stories', version: 1 },
    status: 200,
  }),
  'DELETE /presets/{id}': () => ({ path: '/presets/teller?version=2', status: 204 }),
  'POST /workspaces': () => ({
    path: '/workspaces',
    body: { id: 'shop', projects: [{ path: '/srv/shop' }, { path: '/srv/library' }] },
    status: 201,
  }),
  'GET /workspaces': () => ({ path: '/workspaces?metadata={}', status: 200 }),
  'GET /workspaces/{id}': () => ({ path: '/workspaces/shop', status: 200 }),
  'PATCH /workspaces/{id}': () => ({
    path: '/workspaces/shop',
    body: { metadata: { team: 'shop' }, version: 1 },
    status: 200,
  }),
  'DELETE /workspaces/{id}': () => ({ path: '/workspaces/shop?version=2', status: 204 }),
  'GET /conversations': () => ({ path: '/conversations', status: 200 }),
  'GET /conversations/{id}': ({ conversation }) => ({ path: `/conversations/${conversation}`, status: 200 }),
  'PATCH /conversations/{id}': ({ conversation }) => ({
    path: `/conversations/${conversation}`,
    body: { title: 'Another', metadata: { thread: null } },
    status: 200,
  }),
  'GET /conversations/{id}/turns': ({ conversation }) => ({
    path: `/conversations/${conversation}/turns`,
    status: 200,
  }),
  'GET /conversations/{id}/runs': ({ conversation }) => ({
    path: `/conversations/${conversation}/runs`,
    status: 200,
  }),
  'GET /conversations/{id}/mailbox': ({ idle }) => ({ path: `/conversations/${idle}/mailbox`, status: 200 }),
  'GET /conversations/{id}/stream': ({ conversation }) => ({
    path: `/conversations/${conversation}/stream`,
    status: 200,
  }),
  'POST /conversations/{id}/messages': ({ conversation }) => ({
    path: `/conversations/${conversation}/messages`,
    body: { prompt: 'Slowly.', whenBusy: 'steer' },
    status: 202,
  }),
  'GET /runs/{id}': ({ run }) => ({ path: `/runs/${run}`, status: 200 }),
  'GET /runs/{id}/stream': ({ run }) => ({ path: `/runs/${run}/stream`, status: 200 }),
  'POST /runs/{id}/steer': ({ run }) => ({ path: `/runs/${run}/steer`, body: { text: 'Now.' }, status: 202 }),
  'POST /conversations/{id}/interrupt': ({ conversation }) => ({
    path: `/conversations/${conversation}/interrupt`,
    body: {},
    status: 202,
  }),
  'POST /runs/{id}/interrupt': ({ run }) => ({ path: `/runs/${run}/interrupt`, body: {}, status: 202 }),
  'POST /conversations/{id}/fork': ({ idle, ended }) => ({
    path: `/conversations/${idle}/fork`,
    body: { prompt: 'Differently.', fromRunId: ended },
    status: 202,
  }),
  'POST /conversations/{id}/fire': ({ idle }) => ({
    path: `/conversations/${idle}/fire`,
    body: { prompt: 'Go on.' },
    status: 202,
  }),
  'POST /approvals/{id}/approve': ({ approval }) => ({
    path: `/approvals/${approval}/approve`,
    body: {},
    status: 200,
  }),
  'POST /runs/{id}/results': ({ asking }) => ({
    path: `/runs/${asking}/results`,
    body: { results: [{ callId: '1.1', output: 'Sunny.' }] },
    status: 200,
  }),
  'POST /runs': ({ ended }) => ({ path: '/runs', body: { prompt: 'Hello.', fromRunId: ended }, status: 202 }),
  // It says that no worker is alive, as is true here.
  'GET /health/ready': () => ({ path: '/health/ready', status: 503 }),
};

/** All that such a runtime has. */
const elsewhere = [
  'POST presets/create, GET presets/list, GET presets/{id}/get, POST presets/{id}/update, POST presets/{id}/delete',
  'POST workspaces/create, GET workspaces/list, GET workspaces/{id}/get, POST workspaces/{id}/update',
  'POST workspaces/{id}/delete, POST conversations/run, GET conversations/list, GET conversations/{id}/get',
  'POST conversations/{id}/update, POST conversations/{id}/fork, POST conversations/{id}/fire',
  'POST conversations/{id}/interrupt, POST conversations/{id}/steer, GET conversations/{id}/turns',
  'GET conversations/{id}/sessions, GET conversations/{id}/mailbox, GET conversations/{id}/events',
  'POST sessions/execute, GET sessions/{id}/get, GET sessions/{id}/status, GET sessions/{id}/events',
  'POST sessions/{id}/interrupt, POST sessions/{id}/steer, GET health',
].flatMap((line) => line.split(', '));

interface Row {
  there: string[];
  here: string;
}

async function rowsOfTable(): Promise<Row[]> {
  const text = await readFile(path.join(import.meta.dirname, '../../README.md'), 'utf8');
  const [, table = ''] = /<!-- table: come-from -->\n([^]*?)\n<!-- end -->/.exec(text) ?? [];
  return table
    .split('\n')
    .filter((line) => line.startsWith('| `'))
    .map((line) => {
      const [there = '', here = ''] = line.split(' | ');
      const quoted = (cell: string) => [...cell.matchAll(/`([^`]+)`/g)].map(([, name = '']) => name);
      const [counterpart = ''] = quoted(here);
      return { there: quoted(there), here: counterpart };
    });
}

test('the table names all that there is elsewhere, and a counterpart of each', async () => {
  const rows = await rowsOfTable();
  // What an operation is asked for beside the usual stands behind its name.
  expect(
    [...new Set(rows.flatMap(({ there }) => there.filter((name) => name.includes(' '))))].sort(),
  ).toEqual(elsewhere.toSorted());
  expect(rows.filter(({ here }) => here === '')).toEqual([]);
});

test('each counterpart that the table names is there, and does it', async () => {
  const api = await createTestApp();
  const store = storeOver('', api.database, api.log);
  const url = await api.listen();
  const { parent, children } = await askingRun(store, 1);
  await store.end(parent, { status: 'interrupted', reason: 'interrupted' });
  for (const child of children) await reports(store, child, 'Done.');
  const run = await store.started({ tenantId: api.tenantId });
  const waiting = await waitingRun(api, [
    asks('May I?'),
    asks('The weather?', { asks: { kind: 'result', text: 'The weather?', choices: [] } }),
  ]);
  const ids = {
    ...{ conversation: run.conversation_id, run: run.id },
    ...{ idle: parent.conversation_id, ended: parent.id },
    ...{ asking: waiting.id, approval: waiting.approvals[0]?.id ?? '' },
  };
  const named = (await rowsOfTable()).map(({ here }) => here);
  expect([...new Set(named)].sort()).toEqual(Object.keys(examples).sort());
  for (const [name, example] of Object.entries(examples)) {
    const { path: below, body, status } = example(ids);
    // The stream of an active run does not end by itself.
    const leaving = new AbortController();
    const answer = await fetch(`${url}/api/v1${below}`, {
      method: name.split(' ')[0] ?? '',
      headers: { ...api.auth, ...(body && { 'content-type': 'application/json' }) },
      ...(body && { body: JSON.stringify(body) }),
      signal: leaving.signal,
    });
    const said = answer.headers.get('content-type')?.includes('event-stream') ? '' : await answer.text();
    leaving.abort();
    expect([name, answer.status, answer.status === status ? '' : said]).toEqual([name, status, '']);
  }
});
