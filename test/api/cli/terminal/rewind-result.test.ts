// What people and scripts are told of a run in hybrid when it ends; what a worker would do, the tests do.
import { expect, test } from 'vitest';
import { noteTree } from '../../../../activities/store/lifecycle/begin-run.ts';
import { endRewind, type RewindEnd } from '../../../../activities/store/lifecycle/rewinds.ts';
import { listOpenRewinds } from '../../../../activities/store/runs/rewinds.ts';
import { shortId } from '../../../../api/cli/terminal/short-id.ts';
import { storeOver } from '../../../support/store.ts';
import type { TestApp } from '../../../support/test-app.ts';
import { type Captured, eventually, startApi } from '../captured.ts';
import { seen } from '../screen.ts';

let folders = 0;

/** A hybrid run that has changed something, at work. */
async function hybridRun(api: TestApp) {
  const store = storeOver('', api.database, api.log);
  const { tenantId } = api;
  folders += 1;
  const projectPath = `/srv/home-${folders}`;
  const { run } = await store.accept({ tenantId, workTree: 'own', bringsHome: true, projectPath });
  await store.begin(run);
  await noteTree(api.log.db, run.id, 'start', 'a'.repeat(40));
  await noteTree(api.log.db, run.id, 'end', 'b'.repeat(40));
  const end = async () => store.end(await store.run(run.id), { status: 'succeeded', reason: 'finished' });
  return { run, end };
}

async function bring(api: TestApp, runId: string, end: RewindEnd): Promise<void> {
  const row = await eventually(async () =>
    (await listOpenRewinds(api.log.db, { limit: 10 })).find((each) => each.run_id === runId),
  );
  await api.log.write('test', (write) => endRewind(write, row, end));
}

const conflict: RewindEnd = {
  status: 'failed',
  problem: 'A file cannot be brought home.',
  kept: [{ path: 'a.txt', why: 'changed' }],
};
const home: RewindEnd = { status: 'done', tree: 'c'.repeat(40), restored: 2, kept: [], isWhole: true };

async function watched(
  api: TestApp,
  call: (...args: string[]) => Captured,
  result: RewindEnd,
  ...more: string[]
) {
  const { run, end } = await hybridRun(api);
  const called = call('watch', run.id, ...more);
  await end();
  await eventually(() => (called.out().includes('brought home') || more.length > 0 ? true : undefined));
  await bring(api, run.id, result);
  return { run, code: await called.code, called };
}

test('a run that is watched ends with what came home, or with the files in conflict and how to settle them', async () => {
  const { api, attend } = await startApi();
  const done = await watched(api, attend, home);
  expect(done.called.out()).toMatch(/ · its changes are being brought home\n— brought home: 2 files\n$/);
  const failed = await watched(api, attend, conflict);
  const id = shortId(failed.run.id);
  expect(failed.called.out().split('being brought home\n')[1]).toBe(
    '— not brought home: A file cannot be brought home.\n' +
      '— kept as it is: a.txt (changed by another, or nobody can tell)\n' +
      `— perdure apply ${id} tries again; perdure diff ${id} shows what the run changed\n`,
  );
  expect([done.code, failed.code]).toEqual([0, 1]);
});

test('with --json the result is behind the events, and the view of the run carries it', async () => {
  const { api, call } = await startApi();
  const { run, called, code } = await watched(api, call, conflict, '--json');
  const [last, before] = called
    .out()
    .trim()
    .split('\n')
    .toReversed()
    .map((line) => JSON.parse(line));
  const { homecoming } = (await api.ask('GET', `/runs/${run.id}`)).json();
  expect(homecoming).toEqual({
    ...{ id: before.payload.rewindId, status: 'failed', restored: 0, keptCount: 1 },
    ...{ kept: conflict.kept, problem: 'A file cannot be brought home.' },
  });
  expect([before.type, last, code]).toEqual(['run-end', { rewind: expect.objectContaining(homecoming) }, 1]);
});

test('a run watched again later tells how the newest try went', async () => {
  const { api, environment, call } = await startApi();
  const { run } = await watched(api, call, conflict, '--json');
  const asked = await fetch(`${environment.PERDURE_URL}/api/v1/runs/${run.id}/apply`, {
    method: 'POST',
    headers: { authorization: `Bearer ${api.token}` },
  });
  expect(asked.status).toBe(202);
  await bring(api, run.id, home);
  const again = call('watch', run.id);
  expect(await again.code).toBe(0);
  expect(again.out()).toContain('— brought home: 2 files\n');
});

test('in a chat it is said below the end of the run, and the next message need not wait for it', async () => {
  const { api, attend } = await startApi();
  const { run, end } = await hybridRun(api);
  const chat = attend('chat', '--conversation', run.conversation_id);
  await seen(chat, '» ');
  await end();
  await seen(chat, 'being brought home\n');
  await seen(chat, '› ');
  await bring(api, run.id, home);
  await seen(chat, '— brought home: 2 files');
  chat.type('\u0004');
  expect(await chat.code).toBe(0);
});
