// The commands that read and settle, how the server is found, and how wrong use ends; all against the real API.
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { expect, test } from 'vitest';
import { addDeadLetter } from '../../../../activities/store/runs/dead-letters.ts';
import { lockedRun } from '../../../support/store.ts';
import { exitCodesHelp } from '../../../../api/cli/exit-codes.ts';
import { endOfRun, startRun } from '../../stream/streams.ts';
import { makeFolder, perdure, startApi } from '../captured.ts';

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
  const view = {
    diff,
    files: [],
    truncated: true,
    others: [{ path: 'mine.txt', status: 'modified' as const }],
  };
  const { api, url } = await startApi({ diff: async (run) => ({ runId: run.id, ...view }) });
  const run = await startRun(api);
  const environment = { PERDURE_URL: url, PERDURE_TOKEN: api.token, NO_COLOR: '1' };
  const piped = perdure(['diff', run.id], { environment });
  expect([await piped.code, piped.out()]).toEqual([0, diff]);
  expect(piped.err()).toContain('The diff is longer than the server sends');
  expect(piped.err()).toContain('Others changed 1 file meanwhile: mine.txt');
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
  expect(again.err()).toMatch(/^perdure: Call 1\.0 was settled as not_done by /);
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

test.each([
  ['--workspace', 'nope', 'There is no workspace nope; GET /api/v1/workspaces lists them.'],
  ['--preset', 'nope', 'There is no preset nope; GET /api/v1/presets lists them.'],
  ['--policy', 'nope', 'There is no policy nope; GET /api/v1/policies lists them.'],
  ['--model', 'nobody/x', 'No provider here has the model nobody/x; GET /api/v1/models lists the providers.'],
  [
    '--conversation',
    '019a0000-0000-7000-8000-000000000001',
    'There is no conversation 019a0000-0000-7000-8000-000000000001.',
  ],
])(
  'run %s %s, which is not there, is refused with one sentence that names it',
  async (option, value, problem) => {
    const { call } = await startApi();
    const called = call('run', 'Go.', option, value);
    await called.code;
    expect([called.out(), called.err()]).toEqual(['', `perdure: ${problem}\n`]);
  },
);
