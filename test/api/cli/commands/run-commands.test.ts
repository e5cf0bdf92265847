// Starting, watching and stopping runs against the real API; what a worker would do to a run, the tests do.
import { mkdir, symlink } from 'node:fs/promises';
import path from 'node:path';
import { expect, test } from 'vitest';
import { endRun } from '../../../../activities/store/lifecycle/end-run.ts';
import { listRuns, type RunRow } from '../../../../activities/store/runs/runs.ts';
import type { RunStatus, StopReason } from '../../../../workflows/contracts/run.ts';
import { askingRun } from '../../../support/delegating.ts';
import { lockedRun, storeOver } from '../../../support/store.ts';
import type { TestApp } from '../../../support/test-app.ts';
import { appendTexts, endOfRun, startRun } from '../../stream/streams.ts';
import { eventually, makeFolder, perdure, startApi } from '../captured.ts';

async function end(api: TestApp, runId: string, status: RunStatus, reason: StopReason): Promise<void> {
  await api.log.write('test', async (write) => {
    await write.tx.updateTable('runs').set({ status: 'running' }).where('id', '=', runId).execute();
    await endRun(write, await lockedRun(write, runId), {
      status,
      reason,
      reasonText: `It ended: ${reason}.`,
    });
  });
}

async function onlyRun(api: TestApp): Promise<RunRow> {
  const { tenantId } = api;
  return eventually(async () => (await listRuns(api.log.db, { tenantId, limit: 10, active: true }))[0]);
}

test('run passes everything on, shows what happens, and ends with the outcome of the run', async () => {
  const folder = await makeFolder();
  await mkdir(path.join(folder, 'project'));
  const { api, url } = await startApi();
  const environment = { PERDURE_URL: url, PERDURE_TOKEN: api.token };
  const options = [
    '--project',
    'project',
    '--model',
    'scripted/hello',
    '--priority',
    'high',
    '--limit-steps',
    '7',
  ];
  const more = [
    '--limit-cost',
    '0.5',
    '--metadata',
    'team=a=b',
    '--metadata',
    'job=9',
    '--limit-seconds',
    '60',
    '--over-budget',
    'pause',
    '--max-output-tokens',
    '4000',
  ];
  const called = perdure(['run', 'say hello', ...options, ...more], { environment, folder });
  const run = await onlyRun(api);
  await appendTexts(api, { id: run.id, conversationId: run.conversation_id } as never, 3, 2);
  await end(api, run.id, 'succeeded', 'finished');
  expect(await called.code).toBe(0);
  const view = (await api.ask('GET', `/runs/${run.id}`)).json();
  expect({
    ...view.limits,
    ...view.metadata,
    project: view.project.path,
    priority: view.priority,
    overBudget: view.overBudget,
  }).toMatchObject({
    steps: 7,
    seconds: 60,
    maxOutputTokens: 4000,
    costMicros: 500_000,
    team: 'a=b',
    job: '9',
    project: path.join(folder, 'project'),
    priority: 'high',
    overBudget: 'pause',
  });
  expect(called.out()).toContain('xxxxxx\n');
  expect(called.out()).toContain(
    `\n— works in ${path.join(folder, 'project')}\n— at most 7 steps, 1 min 0 s, $0.50, 4,000 tokens an answer\n`,
  );
  expect(called.out()).toMatch(/\nsucceeded · \$0 · 0 steps · \d+\.\d s · 0 tokens in, 0 out\n$/);
});

test('a run works where it is called, unless that is too wide, elsewhere, or the conversation has a place', async () => {
  const { api, environment } = await startApi();
  const call = async (folder: string, options: string[] = [], changed: Record<string, string> = {}) => {
    const around = { folder, environment: { ...environment, HOME: '/home/ada', ...changed } };
    const called = perdure(['run', 'go on', '--detach', ...options], around);
    if ((await called.code) !== 0) return { code: await called.code, said: called.err() };
    const run = (await api.ask('GET', `/runs/${called.out().trim()}`)).json();
    // Another may then work in its place.
    if (!options.includes('--conversation')) await endOfRun(api, run);
    return { project: run.project?.path ?? null, said: called.err() };
  };
  const said = '';
  expect(await call('/home/ada/shop')).toEqual({ project: '/home/ada/shop', said });
  expect(await call('/home/ada/shop', ['--project', 'api'])).toEqual({ project: '/home/ada/shop/api', said });
  expect(await call('/home/ada/shop', ['--project', 'none'])).toEqual({ project: null, said });
  expect(await call('/home/ada/shop', ['--executor', 'none'])).toEqual({ project: '/home/ada/shop', said });
  for (const folder of ['/', '/home', '/home/ada']) {
    const wide = `perdure: ${folder} holds more than one project, so the run gets a scratch folder; to let it work here, say --project .\n`;
    expect(await call(folder)).toEqual({ project: null, said: wide });
    expect(await call(folder, ['--project', '.'])).toEqual({ project: folder, said });
  }
  const linked = await makeFolder();
  await symlink(linked, path.join(linked, 'home'));
  expect(await call(linked, [], { HOME: path.join(linked, 'home') })).toMatchObject({ project: null });
  const first = await startRun(api, { project: { path: '/home/ada/shop' } });
  const follow = ['--conversation', first.conversationId, '--when-busy', 'queue'];
  expect(await call('/home/ada/other', follow)).toEqual({ project: '/home/ada/shop', said });
  expect(await call('/home/ada/other', [...follow, '--project', '.'])).toEqual({
    project: '/home/ada/other',
    said,
  });

  const elsewhere = { PERDURE_URL: 'http://perdure.invalid:8000' };
  expect(await call('/home/ada/shop', [], elsewhere)).toEqual({
    code: 2,
    said: expect.stringMatching(/^perdure: The server is on another machine, .* --project none .*\n$/),
  });
  expect(await call('/home/ada/shop', ['--project', 'api'], elsewhere)).toEqual({
    code: 2,
    said: expect.stringMatching(/^perdure: --project must be an absolute path: .*\n$/),
  });

  // What lies here says nothing of the machine of an executor.
  const away = ['--executor', 'away'];
  expect(await call('/home/ada/shop', away)).toEqual({
    code: 2,
    said: 'perdure: Name a directory on the machine of away with --project, or say --project none for a scratch folder.\n',
  });
  expect(await call('/home/ada/shop', [...away, '--project', 'api'])).toEqual({
    code: 2,
    said: expect.stringMatching(
      /^perdure: --project must be an absolute path: the run works on the machine of away.*\n$/,
    ),
  });
  expect(await call('/home/ada/shop', [...away, '--project', 'none'])).toEqual({
    code: 2,
    said: expect.stringContaining('There is no executor away with a machine for runs'),
  });
});

test.each([
  ['failed', 'model_failed', 1],
  ['failed', 'limit_cost', 7],
  ['timed_out', 'limit_seconds', 3],
  ['interrupted', 'interrupted', 4],
  ['cancelled', 'cancelled', 5],
] as const)('watch of a run that %s ends with its own exit code', async (status, reason, code) => {
  const { api, call } = await startApi();
  const run = await startRun(api);
  await end(api, run.id, status, reason);
  const watching = call('watch', run.id);
  expect(await watching.code).toBe(code);
  expect(watching.out()).toContain(`It ended: ${reason}.\n${status.replace('_', ' ')} · `);
  // From the last event on there is nothing to show, and the outcome is told all the same.
  const { nextCursor } = (await api.ask('GET', `/runs/${run.id}/events?limit=1000`)).json();
  expect(nextCursor).toBeNull();
});

test('watch --json writes each event on a line, from the number it was given', async () => {
  const { api, call } = await startApi();
  const run = await startRun(api);
  await appendTexts(api, run, 3);
  await end(api, run.id, 'succeeded', 'finished');
  const { items } = (await api.ask('GET', `/runs/${run.id}/events`)).json();
  const watching = call('watch', run.id, '--json', '--after', '2');
  expect(await watching.code).toBe(0);
  const lines = watching.out().trimEnd().split('\n');
  expect(lines.map((line) => JSON.parse(line))).toEqual(items.slice(2));
  const last = call('watch', run.id, '--json', '--after', String(items.length));
  expect([await last.code, last.out()]).toEqual([0, '']);
});

test('Ctrl-C interrupts the run; a second one leaves it running and says how to watch it', async () => {
  const { api, call } = await startApi();
  const called = call('run', 'work');
  const run = await onlyRun(api);
  // Claimed by a workflow: only that may end it now.
  await api.log.write('test', async ({ tx }) => {
    await tx
      .updateTable('runs')
      .set({ status: 'running', execution_id: 'x' })
      .where('id', '=', run.id)
      .execute();
  });
  await eventually(() => called.out().includes(`run ${run.id.slice(-8)}`) || undefined);
  called.pressCtrlC();
  await eventually(() => called.out().includes('interrupt asked for by') || undefined);
  called.pressCtrlC();
  expect(await called.code).toBe(130);
  expect(called.err()).toBe(`The run goes on; watch it with: perdure watch ${run.id}\n`);
  const watching = call('watch', run.id);
  await eventually(() => watching.out().includes(run.id.slice(-8)) || undefined);
  watching.pressCtrlC();
  expect(await watching.code).toBe(130);
});

test('run --detach answers with the id alone', async () => {
  const { api, call } = await startApi();
  const called = call('run', 'work', '--detach');
  expect(await called.code).toBe(0);
  expect(called.out()).toBe(`${(await onlyRun(api)).id}\n`);
});

test.each([
  ['in a terminal', true, [], true],
  ['in a pipe', false, [], false],
  ['in a terminal nobody looks at', true, ['--no-attended'], false],
  ['in a pipe while somebody is elsewhere', false, ['--attended'], true],
])('a run started %s is attended or not as that says', async (_where, isAttended, flags, attended) => {
  const { api, environment } = await startApi();
  const args = ['run', 'work', '--detach', '--policy', 'ask-everything', ...flags];
  expect(await perdure(args, { environment, isAttended }).code).toBe(0);
  expect(await onlyRun(api)).toMatchObject({ attended, policy: 'ask-everything' });
});

test('a run of the command line works in its directory, in a pipe too, unless it says otherwise; one of the API is contained', async () => {
  const contains = { files: true, network: true, processes: true };
  const view = { contains, reach: 'contains files', problem: null };
  const { api, environment } = await startApi({
    bestSandbox: async () => ({ ...view, mode: 'sandbox' }),
    sandbox: async (mode) => ({ ...view, mode }),
  });
  const folder = await makeFolder();
  const got: string[] = [];
  const note = async (): Promise<void> => {
    const run = await onlyRun(api);
    got.push(`${run.exec_mode} ${run.work_tree}`);
    await end(api, run.id, 'succeeded', 'finished');
  };
  for (const flags of [[], ['--attended'], ['--own-tree'], ['--sandbox', 'sandbox'], ['--in-place']]) {
    expect(await perdure(['run', 'work', '--detach', ...flags], { environment, folder }).code).toBe(0);
    await note();
  }
  await startRun(api, { project: { path: folder } });
  await note();
  expect(got).toEqual([
    ...['mount in-place', 'mount in-place', 'sandbox own', 'sandbox own', 'mount in-place'],
    'sandbox own',
  ]);
});

test('steer, interrupt and cancel say what has become of them', async () => {
  const { api, call } = await startApi();
  const run = await startRun(api);
  const steer = call('steer', run.id, 'use tabs', '--message-id', 'm1');
  expect([await steer.code, steer.out()]).toEqual([
    0,
    `run ${run.id.slice(-8)}: accepted: heard before its next model call (message m1)\n`,
  ]);
  const again = call('steer', run.id, 'use tabs', '--message-id', 'm1', '--json');
  expect([await again.code, JSON.parse(again.out()).messageId]).toEqual([0, 'm1']);
  const cancel = call('cancel', run.id);
  const cancelling = `run ${run.id.slice(-8)}: accepted: being cancelled`;
  expect([await cancel.code, cancel.out().startsWith(cancelling)]).toEqual([0, true]);
  const late = call('interrupt', run.id);
  expect([await late.code, late.out()]).toEqual([1, '']);
  expect(late.err()).toMatch(/^perdure: Run \S+ has ended as cancelled; send a new message instead\.\n/);
});

test('interrupt --conversation stops all of its runs that are at work, and says so of each', async () => {
  const { api, call } = await startApi();
  const store = storeOver('', api.database, api.log);
  const { parent, children } = await askingRun(store, 1);
  const { conversation_id: id } = parent;
  const both = call('interrupt', parent.id, '--conversation', id);
  expect([await both.code, both.err()]).toEqual([
    2,
    'perdure: Name a run, or a conversation with --conversation: one of the two.\n',
  ]);
  const stop = call('interrupt', '--conversation', id);
  expect(await stop.code).toBe(0);
  expect(stop.out().split(' (message')[0]).toBe(`run ${parent.id.slice(-8)}: accepted: being interrupted`);
  expect(stop.out().trimEnd().split('\n').length).toBe(2);
  const json = call('interrupt', '--conversation', `conversation/${id.slice(-8)}`, '--json');
  expect([await json.code, JSON.parse(json.out())]).toMatchObject([
    0,
    { conversationId: id, items: [{ runId: parent.id }, { runId: children[0]?.id }] },
  ]);
  for (const run of [...children, parent])
    await store.end(await store.run(run.id), { status: 'interrupted', reason: 'interrupted' });
  const idle = call('interrupt', '--conversation', id);
  expect([await idle.code, idle.err()]).toEqual([
    1,
    `perdure: There is nothing to interrupt in conversation ${id}.\n`,
  ]);
});

test('a message into a busy conversation is refused with the run to watch', async () => {
  const { api, call } = await startApi();
  const run = await startRun(api);
  const called = call('run', 'more', '--conversation', run.conversationId);
  expect(await called.code).toBe(1);
  expect(called.err()).toContain(
    `perdure: Run ${run.id} is active; steer it, wait for it, or send with whenBusy.\n`,
  );
  expect(called.err()).toContain(
    `\n  Watch it with: perdure watch ${run.id.slice(-8)}; or say --when-busy queue, steer or interrupt.\n`,
  );
});
