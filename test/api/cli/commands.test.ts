// The commands against the real API over a real database; what a worker would do to a run, the tests do.
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { endRun } from '../../../activities/store/end-run.ts';
import { listRuns, type RunRow } from '../../../activities/store/runs.ts';
import type { RunStatus, StopReason } from '../../../workflows/contracts/run.ts';
import { createTestApp, type TestApp } from '../../support/test-app.ts';
import { appendTexts, startRun } from '../streams.ts';
import { type Captured, perdure } from './captured.ts';

async function start(options: Parameters<typeof createTestApp>[0] = {}) {
  const api = await createTestApp(options);
  const url = await api.listen();
  const environment = { PERDURE_URL: url, PERDURE_TOKEN: api.token };
  return { api, url, call: (...args: string[]): Captured => perdure(args, { environment }) };
}

async function end(api: TestApp, runId: string, status: RunStatus, reason: StopReason): Promise<void> {
  const { tenantId } = api;
  await api.log.write(async (write) => {
    await write.tx.updateTable('runs').set({ status: 'running' }).where('id', '=', runId).execute();
    await endRun(write, { tenantId, runId, status, reason, reasonText: `It ended: ${reason}.` });
  });
}

async function onlyRun(api: TestApp): Promise<RunRow> {
  const { tenantId } = api;
  return eventually(async () => (await listRuns(api.log.db, { tenantId, limit: 10, active: true }))[0]);
}

async function eventually<T>(ask: () => T | undefined | Promise<T | undefined>): Promise<T> {
  for (;;) {
    const answer = await ask();
    if (answer !== undefined) return answer;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

async function makeFolder(): Promise<string> {
  const folder = await mkdtemp(path.join(tmpdir(), 'perdure-cli-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  return folder;
}

test('run passes everything on, shows what happens, and ends with the outcome of the run', async () => {
  const folder = await makeFolder();
  await mkdir(path.join(folder, 'project'));
  const { api, url } = await start();
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
  }).toMatchObject({
    steps: 7,
    seconds: 60,
    costMicros: 500_000,
    team: 'a=b',
    job: '9',
    project: path.join(folder, 'project'),
    priority: 'high',
  });
  expect(called.out()).toContain('xxxxxx\n');
  expect(called.out()).toMatch(/\nsucceeded · \$0 · 0 steps · \d+\.\d s · 0 tokens in, 0 out\n$/);
});

test.each([
  ['failed', 'model_failed', 1],
  ['timed_out', 'limit_seconds', 3],
  ['interrupted', 'interrupted', 4],
  ['cancelled', 'cancelled', 5],
] as const)('watch of a run that %s ends with its own exit code', async (status, reason, code) => {
  const { api, call } = await start();
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
  const { api, call } = await start();
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
  const { api, call } = await start();
  const called = call('run', 'work');
  const run = await onlyRun(api);
  // Claimed by a workflow: only that may end it now.
  await api.log.write(async ({ tx }) => {
    await tx
      .updateTable('runs')
      .set({ status: 'running', execution_id: 'x' })
      .where('id', '=', run.id)
      .execute();
  });
  await eventually(() => called.out().includes(`run/${run.id}`) || undefined);
  called.pressCtrlC();
  await eventually(() => called.out().includes('interrupt asked for by') || undefined);
  called.pressCtrlC();
  expect(await called.code).toBe(130);
  expect(called.err()).toBe(`The run goes on; watch it with: perdure watch ${run.id}\n`);
  const watching = call('watch', run.id);
  await eventually(() => watching.out().includes(run.id) || undefined);
  watching.pressCtrlC();
  expect(await watching.code).toBe(130);
});

test('run --detach answers with the id alone', async () => {
  const { api, call } = await start();
  const called = call('run', 'work', '--detach');
  expect(await called.code).toBe(0);
  expect(called.out()).toBe(`${(await onlyRun(api)).id}\n`);
});

test('steer, interrupt and cancel say what has become of them', async () => {
  const { api, call } = await start();
  const run = await startRun(api);
  const steer = call('steer', run.id, 'use tabs', '--message-id', 'm1');
  expect([await steer.code, steer.out()]).toEqual([
    0,
    'accepted: heard before its next model call (message m1)\n',
  ]);
  const again = call('steer', run.id, 'use tabs', '--message-id', 'm1', '--json');
  expect([await again.code, JSON.parse(again.out()).messageId]).toEqual([0, 'm1']);
  const cancel = call('cancel', run.id);
  expect([await cancel.code, cancel.out().startsWith('accepted: being cancelled')]).toEqual([0, true]);
  const late = call('interrupt', run.id);
  expect([await late.code, late.out()]).toEqual([1, '']);
  expect(late.err()).toMatch(/^perdure: The run is not active: /);
});

test('a message into a busy conversation is refused with the run to watch', async () => {
  const { api, call } = await start();
  const run = await startRun(api);
  const called = call('run', 'more', '--conversation', run.conversationId);
  expect(await called.code).toBe(1);
  expect(called.err()).toContain(`perdure: The conversation has an active run: `);
  expect(called.err()).toContain(`\n  Watch the active run with: perdure watch ${run.id}\n`);
});

test('status shows processes, runs in progress and what is stuck', async () => {
  const worker = { name: 'worker', pid: 42, address: null, health: 'up', restarts: 1 } as const;
  const processes = async () => ({ embedded: true, items: [worker], temporalUi: null });
  const embedded = {
    processes,
    kill: async () => {},
    demo: async () => Promise.reject(new Error('not here')),
  };
  const { api, call } = await start({ embedded });
  const run = await startRun(api, { prompt: 'a \u001b[31mred\u001b[0m\nprompt' });
  await api.log.db.updateTable('runs').set({ stuck: 'its workflow fails' }).execute();
  const table = call('status');
  expect(await table.code).toBe(0);
  const [head, processRow, , runsHead, runRow] = table.out().split('\n');
  expect([head, processRow, runsHead].map((line) => line?.split(/\s+/))).toEqual([
    ['PROCESS', 'PID', 'ADDRESS', 'HEALTH', 'RESTARTS'],
    ['worker', '42', '-', 'up', '1'],
    ['RUN', 'STATUS', 'STEPS', 'COST', 'SINCE', 'PROMPT'],
  ]);
  expect(runRow).toMatch(new RegExp(`^${run.id} {2}stuck: its workflow fails {2}.* {2}a red prompt$`));
  const json = call('status', '--json');
  expect(await json.code).toBe(0);
  const { items } = (await api.ask('GET', '/runs')).json();
  expect(JSON.parse(json.out())).toEqual({ processes: [worker], runs: items, deadLetters: [] });
});

test('status without the API says what the supervisor noted, and that the rest is unknown', async () => {
  const folder = await makeFolder();
  const worker = { name: 'worker', pid: 42, address: null, health: 'up', restarts: 0 };
  const file = { version: '1', url: 'http://127.0.0.1:9', temporalUi: null, processes: [worker] };
  await writeFile(path.join(folder, 'processes.json'), JSON.stringify(file));
  const called = perdure(['status', '--json'], { environment: { PERDURE_DATA: folder } });
  expect(await called.code).toBe(6);
  expect(JSON.parse(called.out())).toEqual({ processes: [worker], runs: null, deadLetters: null });
  expect(called.err()).toContain('No answer from http://127.0.0.1:9');
});

test('models says what is configured, what is missing, and that the default is a script', async () => {
  const scripted = {
    provider: 'scripted',
    configured: true,
    missing: null,
    scripted: true,
    default: 'scripted/hello',
  };
  const openai = {
    provider: 'openai',
    configured: false,
    missing: 'OPENAI_API_KEY',
    scripted: false,
    default: null,
  };
  const items = [
    { ...scripted, models: ['scripted/hello'] },
    { ...openai, models: [] },
  ];
  const { call } = await start({ models: () => ({ items, default: 'scripted/hello' }) });
  const called = call('models');
  expect(await called.code).toBe(0);
  expect(called.out()).toBe(
    [
      'PROVIDER  STATE               MODELS',
      'scripted  configured          scripted/hello',
      'openai    set OPENAI_API_KEY',
      '',
      'Default: scripted/hello',
      'It follows a script and is no real model: set one of the variables above for one.',
      '',
    ].join('\n'),
  );
});

test('diff is written as it is into a pipe, and harmless on a terminal', async () => {
  const diff = 'diff --git a/x b/x\n-old\r\n+\u001b[2Jnew\n';
  const view = { diff, files: [], truncated: true };
  const { api, url } = await start({ diff: async (run) => ({ runId: run.id, ...view }) });
  const run = await startRun(api);
  const environment = { PERDURE_URL: url, PERDURE_TOKEN: api.token, NO_COLOR: '1' };
  const piped = perdure(['diff', run.id], { environment });
  expect([await piped.code, piped.out()]).toEqual([0, diff]);
  expect(piped.err()).toContain('The diff is longer than the server sends');
  const shown = perdure(['diff', run.id], { environment, isTerminal: true });
  expect([await shown.code, shown.out()]).toEqual([0, 'diff --git a/x b/x\n-old\n+new\n']);
});

test('an unknown call is settled by hand, and whoever comes second is told that it is known', async () => {
  const { api, call } = await start();
  const run = await startRun(api);
  const { tenantId } = api;
  const row = {
    run_id: run.id,
    call_id: '1.0',
    tenant_id: tenantId,
    step: 1,
    index: 0,
    provider_call_id: 'p',
    input: '{}',
  };
  const about = {
    tool: 'shell',
    input_hash: 'x',
    subject: 'make',
    decision: 'allow',
    rule: 'any',
    reason: 'trusted',
  };
  await api.log.db
    .insertInto('calls')
    .values({ ...row, ...about, status: 'unknown' })
    .execute();
  const settled = call('settle', run.id, '1.0', 'not_done', '--output', 'nothing was made');
  expect([await settled.code, settled.out()]).toEqual([0, 'call 1.0 is settled as not_done\n']);
  const again = call('settle', run.id, '1.0', 'done');
  expect([await again.code, again.out()]).toEqual([1, '']);
  expect(again.err()).toMatch(/^perdure: Already resolved: Call 1\.0 was settled as not_done by /);
  const watched = (await api.ask('GET', `/runs/${run.id}/events?type=call-settle`)).json().items;
  expect(watched.map((event: { payload: object }) => event.payload)).toMatchObject([{ outcome: 'not_done' }]);
});

test('dead letters are listed, and none is said to be none', async () => {
  const { call } = await start();
  const none = call('dead-letters');
  expect([await none.code, none.out()]).toEqual([0, 'There are no dead letters.\n']);
  const wrong = call('dead-letters', 'drop', 'nonsense');
  expect(await wrong.code).toBe(2);
  expect(wrong.err()).toMatch(/^perdure: The request is not valid: /);
});

test('the server comes from --url, then PERDURE_URL, then the data folder; its token never goes to another host', async () => {
  const { api, url } = await start();
  const folder = await makeFolder();
  const write = (file: string, text: string): Promise<void> => writeFile(path.join(folder, file), text);
  await write('token', `${api.token}\n`);
  await write('processes.json', JSON.stringify({ version: '1', url, temporalUi: null, processes: [] }));
  const codeOf = (environment: Record<string, string>, ...args: string[]): Promise<number> =>
    perdure(['models', ...args], { environment: { PERDURE_DATA: folder, ...environment } }).code;
  expect(await codeOf({})).toBe(0);
  expect(await codeOf({ PERDURE_URL: url })).toBe(0);
  expect(await codeOf({ PERDURE_URL: 'http://127.0.0.1:9' }, '--url', url)).toBe(0);
  expect(await codeOf({ PERDURE_TOKEN: 'wrong' })).toBe(1);
  expect(await codeOf({ PERDURE_TOKEN: 'wrong' }, '--token-file', path.join(folder, 'token'))).toBe(0);
  const abroad = url.replace('127.0.0.1', 'localhost.localdomain');
  const { findServer } = await import('../../../api/cli/server.ts');
  const place = findServer({ url: abroad, environment: {}, dataFolder: folder });
  expect(place).toEqual({ url: abroad, token: undefined });
});

test('wrong use is one sentence and exit code 2, no server is one sentence and exit code 6', async () => {
  const { url } = await start();
  const cases: [string[], Record<string, string>, number, RegExp][] = [
    [['models'], {}, 6, /^perdure: No server found: start one with `npm start`/],
    [['models', '--url', 'ftp://x'], {}, 2, /^perdure: The server's address must start with http/],
    [
      ['models', '--token-file', '/nowhere/token', '--url', url],
      {},
      2,
      /^perdure: --token-file: there is no file/,
    ],
    [['models'], { PERDURE_URL: url }, 1, /^perdure: A valid token is needed: .*\n {2}Pass --token-file/],
    [['runn'], {}, 2, /unknown command 'runn'\n\(Did you mean run\?\)/],
    [['run'], {}, 2, /missing required argument 'prompt'/],
    [['run', 'x', '--limit-cost', '-1'], {}, 2, /It must be an amount in dollars, such as 0\.50/],
    [['run', 'x', '--limit-steps', '1e3'], {}, 2, /It must be a whole number of at least 1/],
    [['run', 'x', '--metadata', 'no'], {}, 2, /It must be key=value/],
    [['run', 'x', '--priority', 'urgent'], {}, 2, /Allowed choices are critical, high, normal, low/],
    [['settle', 'x', '1.0', 'maybe'], {}, 2, /Allowed choices are done, not_done/],
  ];
  for (const [args, environment, code, said] of cases) {
    const called = perdure(args, { environment });
    expect([args, await called.code, called.out()]).toEqual([args, code, '']);
    expect(called.err()).toMatch(said);
    expect(called.err()).not.toMatch(/\n {4}at /);
  }
});

test('the help of run and of the whole names the exit codes', async () => {
  const help = perdure(['--help']);
  expect(await help.code).toBe(0);
  expect(help.out()).toContain(
    '0 succeeded   1 failed   2 wrong usage   3 timed out   4 interrupted   5 cancelled',
  );
  for (const name of [
    'serve',
    'run',
    'watch',
    'status',
    'logs',
    'steer',
    'interrupt',
    'cancel',
    'diff',
    'settle',
  ]) {
    expect(help.out()).toContain(`\n  ${name} `);
  }
});
