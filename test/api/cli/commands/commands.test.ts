// The commands that read and settle, how the server is found, and how wrong use ends; all against the real API.
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { expect, test } from 'vitest';
import { findProcess } from '../../../../activities/host/process-table.ts';
import { addDeadLetter } from '../../../../activities/store/runs/dead-letters.ts';
import { lockedRun } from '../../../support/store.ts';
import { exitCodesHelp } from '../../../../api/cli/exit-codes.ts';
import { endOfRun, startRun } from '../../stream/streams.ts';
import { makeFolder, perdure, startApi } from '../captured.ts';

test('status shows processes, runs in progress and what is stuck', async () => {
  const worker = { name: 'worker', pid: 42, address: null, health: 'up', restarts: 1 } as const;
  const temporalUi = 'http://127.0.0.1:7700/temporal';
  const processes = async () => ({ embedded: true, items: [worker], temporalUi });
  const embedded = {
    processes,
    kill: async () => {},
    copyDemo: async () => Promise.reject(new Error('not here')),
  };
  const { api, call } = await startApi({ embedded });
  const run = await startRun(api, { prompt: 'a \u001b[31mred\u001b[0m\nprompt' });
  await api.log.db.updateTable('runs').set({ stuck: 'its workflow fails' }).execute();
  const table = call('status');
  expect(await table.code).toBe(0);
  const [head, processRow, temporal, , sandbox, , runsHead, runRow] = table.out().split('\n');
  expect(temporal).toBe(`Temporal's Web UI: ${temporalUi}`);
  expect([head, processRow, runsHead].map((line) => line?.split(/\s+/))).toEqual([
    ['PROCESS', 'PID', 'ADDRESS', 'HEALTH', 'RESTARTS'],
    ['worker', '42', '-', 'up', '1'],
    ['RUN', 'STATUS', 'STEPS', 'COST', 'SINCE', 'PROMPT'],
  ]);
  expect(sandbox).toMatch(
    /^Sandbox mount: contains nothing; a shell reaches what its user can, also the token’s file\.$/,
  );
  expect(runRow).toMatch(
    new RegExp(`^${run.id.slice(-8)} {2}stuck: its workflow fails {2}.* {2}a red prompt$`),
  );
  const json = call('status', '--json');
  expect(await json.code).toBe(0);
  const { items } = (await api.ask('GET', '/runs')).json();
  expect(JSON.parse(json.out())).toEqual({
    processes: [worker],
    temporalUi,
    sandboxes: (await api.ask('GET', '/sandboxes')).json().items,
    disk: null,
    runs: items,
    approvals: [],
    deadLetters: [],
  });
});

test('status without the API says what the supervisor noted, and that the rest is unknown', async () => {
  const folder = await makeFolder();
  const self = findProcess(process.pid);
  const alive = {
    name: 'api',
    pid: process.pid,
    started: self?.started,
    health: 'up',
    restarts: 0,
    address: null,
  };
  // The same number, another start: another program has it since.
  const reused = { ...alive, name: 'supervisor', started: `${self?.started}0` };
  const dead = { ...alive, name: 'worker', pid: 2 ** 30 };
  const external = { ...alive, name: 'postgres', pid: null, started: null, health: 'external' };
  const processes = [reused, alive, dead, external];
  const file = { version: '1', url: 'http://127.0.0.1:9', temporalUi: null, processes };
  await writeFile(path.join(folder, 'processes.json'), JSON.stringify(file));
  const called = perdure(['status', '--json'], { environment: { PERDURE_DATA: folder } });
  expect(await called.code).toBe(6);
  const gone = { pid: null, health: 'down' };
  expect(JSON.parse(called.out())).toEqual({
    sandboxes: null,
    temporalUi: null,
    processes: [{ ...reused, ...gone }, alive, { ...dead, ...gone }, external],
    disk: null,
    runs: null,
    approvals: null,
    deadLetters: null,
  });
  expect(called.err()).toContain('No answer from http://127.0.0.1:9');
  const shown = perdure(['status'], { environment: { PERDURE_DATA: folder } });
  expect(await shown.code).toBe(6);
  expect(shown.out()).toContain('The supervisor is gone, so nothing that dies is started again');
});

test('status says that a disk is full, and by --json how full', async () => {
  const disk = {
    room: { folder: '/data', freeBytes: 5, minFreeBytes: 10, entriesLeft: true },
    problem: 'The disk of /data is full.',
  };
  const { call } = await startApi({ diskRoom: () => disk.room, diskProblem: () => disk.problem });
  const shown = call('status');
  expect([await shown.code, shown.out().includes(disk.problem)]).toEqual([0, true]);
  const json = call('status', '--json');
  expect([await json.code, JSON.parse(json.out()).disk]).toEqual([0, disk]);
});

test('models says what is configured, what is missing, what requests look like, and that the default is a script', async () => {
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
  const own = { name: 'openai', why: 'its own API', byModel: {} };
  const byPort = { name: 'vllm', why: 'by the port 8000', byModel: { 'compatible/devstral': 'mistral' } };
  const items = [
    { ...scripted, models: ['scripted/hello'], profile: null },
    { ...openai, models: [], profile: own },
    { ...openai, provider: 'compatible', configured: true, models: ['compatible/auto'], profile: byPort },
  ];
  const { call } = await startApi({ models: () => ({ items, default: 'scripted/hello' }) });
  const called = call('models');
  expect(await called.code).toBe(0);
  expect(called.out()).toBe(
    [
      'PROVIDER    STATE               PROFILE  MODELS',
      'scripted    configured          -        scripted/hello',
      'openai      set OPENAI_API_KEY  -        -',
      'compatible  configured          vllm     compatible/auto',
      'Profile of compatible: vllm, by the port 8000',
      'Profile of compatible/devstral: mistral, by the configuration',
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
  const { api, url } = await startApi({ diff: async (run) => ({ runId: run.id, ...view }) });
  const run = await startRun(api);
  const environment = { PERDURE_URL: url, PERDURE_TOKEN: api.token, NO_COLOR: '1' };
  const piped = perdure(['diff', run.id], { environment });
  expect([await piped.code, piped.out()]).toEqual([0, diff]);
  expect(piped.err()).toContain('The diff is longer than the server sends');
  const shown = perdure(['diff', run.id], { environment, isTerminal: true });
  expect([await shown.code, shown.out()]).toEqual([0, 'diff --git a/x b/x\n-old\n+new\n']);
});

test('an unknown call is settled by hand, and whoever comes second is told that it is known', async () => {
  const { api, call } = await startApi();
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
  const { call } = await startApi();
  const none = call('dead-letters');
  expect([await none.code, none.out()]).toEqual([0, 'There are no dead letters.\n']);
  const wrong = call('dead-letters', 'drop', 'nonsense');
  expect(await wrong.code).toBe(2);
  expect(wrong.err()).toMatch(/^perdure: "nonsense" is no id: /);
});

test('a dead letter that is retried names the run that asks again, where there is one', async () => {
  const { api, call } = await startApi();
  const run = await startRun(api);
  await api.log.write('test', async (write) => {
    const reason = 'It took its worker down.';
    await addDeadLetter(write, await lockedRun(write, run.id), { kind: 'run', reason, attempts: 10 });
  });
  await endOfRun(api, run);
  const { id } = (await api.ask('GET', '/dead-letters')).json().items[0];
  const retry = call('dead-letters', 'retry', id);
  expect(await retry.code).toBe(0);
  const [newest] = (await api.ask('GET', '/runs')).json().items;
  expect(retry.out()).toBe(`${id} retried as run ${newest.id}\n`);
  expect(newest.id).not.toBe(run.id);
});

test('the server comes from --url, then PERDURE_URL, then the data folder; its token never goes to another host', async () => {
  const { api, url } = await startApi();
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
  const { findServer } = await import('../../../../api/cli/server.ts');
  const place = findServer({ url: abroad, environment: {}, dataFolder: folder });
  expect(place).toEqual({ url: abroad, token: undefined });
});

test('wrong use is one sentence and exit code 2, no server is one sentence and exit code 6', async () => {
  const { url } = await startApi();
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
    [['statsu'], {}, 2, /unknown command 'statsu'\n\(Did you mean status\?\)/],
    [
      ['run'],
      {},
      2,
      /^perdure: No prompt is given: write it as an argument, or - to read it from stdin\.\n$/,
    ],
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
  expect(help.out()).toContain(exitCodesHelp);
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
