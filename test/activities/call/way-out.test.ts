// A call that names hosts, from the model's answer to what people see of it. Its command is not contained here: it uses
// the way out by the socket itself, as what stands in a sandbox does.
import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { realpath } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pino from 'pino';
import { afterAll, beforeAll, expect, onTestFinished, test, vi } from 'vitest';
import { act } from '../../../activities/call/act.ts';
import { reviewFor } from '../../../activities/call/review.ts';
import type { ActivityDeps } from '../../../activities/deps.ts';
import { publicEgress } from '../../../activities/egress/egress.ts';
import { createWaysOut } from '../../../activities/egress/ways-out.ts';
import { createMount } from '../../../activities/sandbox/mount/mount.ts';
import { createRunSandboxes, type LentSandbox } from '../../../activities/sandbox/run-sandboxes.ts';
import { listApprovals } from '../../../activities/store/approvals/approval-lists.ts';
import { type CallRow, findCall, toCallView } from '../../../activities/store/calls/calls.ts';
import { defaultTenant } from '../../../activities/store/db/database.ts';
import { createContents } from '../../../activities/store/log/contents.ts';
import { createRedactor } from '../../../activities/store/log/redaction.ts';
import type { RunRow } from '../../../activities/store/runs/runs.ts';
import { createBackground } from '../../../activities/tools/background.ts';
import { createTools } from '../../../activities/tools/index.ts';
import type { PolicyProfile } from '../../../workflows/contracts/policy.ts';
import { anAttempt, openTestStore } from '../../support/store.ts';
import { profileWith } from '../../workflows/policy/decide.ts';
import { worldWhere } from '../egress/proxy-bench.ts';
import { createTrees } from '../../../worker/processes/trees.ts';

const store = await openTestStore();
const { db } = store.database;
const folder = await realpath(mkdtempSync(path.join(tmpdir(), 'perdure-calls-out-')));
const sockets = path.join(folder, 'out');
const server = createServer((_request, response) => response.end('hello'));
const background = createBackground();
const sandboxes = createRunSandboxes({
  drivers: [
    createMount({ workFolder: folder, programs: process.env['PATH'] ?? '', gitBounds: async () => ({}) }),
  ],
  onFailure(error) {
    throw error;
  },
});
let port = 0;
beforeAll(async () => {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  ({ port } = server.address() as AddressInfo);
});
afterAll(async () => {
  await background.close();
  await sandboxes.close();
  server.closeAllConnections();
  server.close();
  rmSync(folder, { recursive: true });
});

/** Tells a command of its socket by `$0`. */
function usingSocket(lent: LentSandbox): LentSandbox {
  return {
    ...lent,
    async exec(options) {
      const socket = await options.wayOut?.socket();
      return lent.exec({ ...options, command: `socket='${socket ?? ''}'; ${options.command}` });
    },
  };
}

const profile = profileWith(
  [
    { effect: 'execute', decision: 'allow' },
    { hosts: ['site.test'], decision: 'allow' },
  ],
  { id: 'let-out' },
);
const deps = {
  log: store.log,
  contents: createContents(db, folder),
  redactor: createRedactor([]),
  logger: pino({ level: 'silent' }),
  tools: createTools({ background, egress: publicEgress }),
  profileOf: async (): Promise<PolicyProfile | undefined> => profile,
  waysOut: createWaysOut({ folder: sockets, egress: worldWhere(['127.0.0.1']) }),
  openSandbox: async ({ mayUse, ...run }) =>
    usingSocket(await sandboxes.lend({ ...run, mode: 'mount' }, mayUse)),
  place: (of) => of.project_path,
  trees: createTrees(folder),
  hasBackground: () => false,
} as Partial<ActivityDeps> as ActivityDeps;

async function ask(run: RunRow, input: object): Promise<CallRow> {
  const written = { id: 'provider', name: 'shell', input: JSON.stringify(input) };
  const [call] = await store.step(run, 1, { calls: await reviewFor({ ...deps, db }, run, 1, [written]) });
  if (!call) throw new Error('There is no call.');
  return call;
}

const startedRun = (attended = true): Promise<RunRow> => store.started({ policy: profile.id, attended });

async function make(run: RunRow): Promise<string> {
  const claim = await store.claim(anAttempt(run, 'call/1.0'));
  if (claim.kind !== 'claimed') throw new Error(`The call was not claimed: it is ${claim.kind}.`);
  const { signal } = new AbortController();
  const result = await act(deps, claim, {
    task: anAttempt(run, 'call/1.0'),
    ref: claim.ref,
    signal,
    supersede() {},
  });
  await store.record(claim.ref, result);
  return result.output;
}

async function networkOf(run: RunRow) {
  const row = await findCall(db, defaultTenant, run.id, '1.0');
  return row && toCallView(row).network;
}

const get = (site: string, rest = ''): string =>
  `curl -s ${rest} --unix-socket "$socket" --request-target http://${site}/ http://${site}/`;

test('a call reaches what it named, is told what it missed, and people see both', async () => {
  const run = await startedRun();
  const command = `${get(`site.test:${port}`)}; ${get('other.test', '-o /dev/null')}`;
  const call = await ask(run, { command, hosts: [`site.test:${port}`] });
  expect(call.decision).toBe('allow');
  expect(await make(run)).toBe(
    'hello\n[exit code 0; not reached: other.test was not granted; name in `hosts` what a command needs to reach]',
  );
  expect(await networkOf(run)).toEqual([
    {
      ...{ host: 'site.test', port, connections: 1, refusals: 0, problem: null },
      ...{ sentBytes: expect.any(Number), receivedBytes: expect.any(Number) },
    },
    {
      ...{ host: 'other.test', port: 80, connections: 0, sentBytes: 0, receivedBytes: 0, refusals: 1 },
      problem: 'other.test was not granted',
    },
  ]);
  expect(readdirSync(sockets)).toEqual([]);
});

test('a call without hosts has no way out', async () => {
  const run = await startedRun();
  await ask(run, { command: 'echo "socket: $socket."' });
  expect([await make(run), await networkOf(run)]).toEqual(['socket: .\n[exit code 0]', []]);
});

test('what a command reached is known while it runs and when it is stopped', async () => {
  const run = await startedRun();
  const site = `site.test:${port}`;
  await ask(run, { command: `${get(site)}; sleep 60`, hosts: [site], timeoutSeconds: 2 });
  // Its time goes on when it has got there: how soon that is says nothing.
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  onTestFinished(() => void vi.useRealTimers());
  const made = make(run);
  const reached = async () =>
    (await networkOf(run))?.map(({ host, connections }) => `${connections} ${host}`);
  while ((await reached())?.join() !== '1 site.test') await sleep(20);
  vi.advanceTimersByTime(2_000);
  expect(await made).toContain('stopped after 2 seconds');
  expect([await networkOf(run), readdirSync(sockets)]).toEqual([
    [expect.objectContaining({ connections: 1, receivedBytes: expect.any(Number) })],
    [],
  ]);
});

test('a host that no rule names is asked about before anything runs, and refused where nobody is there', async () => {
  const input = { command: 'true', hosts: ['site.test', 'new.test:8443'] };
  const [run, alone] = [await startedRun(), await startedRun(false)];
  const [asked, denied] = [await ask(run, input), await ask(alone, input)];
  const [approval] = await listApprovals(db, { tenantId: defaultTenant, runId: run.id, limit: 1 });
  expect([asked.decision, approval?.text, approval?.input]).toEqual([
    'ask',
    'shell true\nwith a way to site.test, new.test:8443',
    input,
  ]);
  expect([denied.decision, denied.output]).toEqual([
    'deny',
    expect.stringMatching(/when nobody is there \(to reach new\.test:8443\)\.$/),
  ]);
});

test('a host has to be written in the one form that is judged', async () => {
  const rows: [string, string][] = [
    ['SITE.test', 'hosts.0: must be written as site.test'],
    ['2130706433', 'hosts.0: must be written as 127.0.0.1'],
    ['http://site.test', 'hosts.0: is no host; write a name such as packages.example.org'],
  ];
  for (const [host, problem] of rows) {
    const call = await ask(await startedRun(), { command: 'true', hosts: [host] });
    expect([call.status, call.output]).toEqual(['failed', expect.stringContaining(problem)]);
  }
});
