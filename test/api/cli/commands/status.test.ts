// `perdure status`, with and without the API.
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { expect, test } from 'vitest';
import { findProcess } from '../../../../activities/host/process-table.ts';
import type { BackupListView } from '../../../../workflows/contracts/system.ts';
import { startRun } from '../../stream/streams.ts';
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
  await startRun(api, { prompt: 'it waits' });
  const run = await startRun(api, { prompt: 'a \u001b[31mred\u001b[0m\nprompt' });
  const one = api.log.db.updateTable('runs').where('id', '=', run.id);
  await one.set({ stuck: 'its workflow fails', status: 'running' }).execute();
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
    /^Sandbox mount \(1 run at work\): contains nothing; a shell reaches what its user can, also the token’s file\.$/,
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
    sandboxes: (await api.ask('GET', '/sandboxes'))
      .json()
      .items.map((kind: { mode: string }) => ({ ...kind, runs: kind.mode === 'mount' ? 1 : 0 })),
    disk: null,
    runs: items,
    approvals: [],
    deadLetters: [],
    executors: [],
    tasks: { pending: 0, blocked: 0, inProgress: 0 },
    allowances: (await api.ask('GET', '/allowances')).json().items,
    backups: { items: [], problem: null },
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
    executors: null,
    tasks: null,
    allowances: null,
    backups: null,
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

test('status says how old the newest good backup is, or that there is none', async () => {
  const at = new Date(Date.now() - 5 * 3_600_000).toISOString();
  const bad = {
    name: '20260102T030000Z',
    createdAt: new Date().toISOString(),
    bytes: 1,
    rows: 1,
    check: null,
  };
  const good = { ...bad, createdAt: at, check: { at, restored: true, problem: null } };
  let list: BackupListView = { items: [bad, good], problem: null };
  const { call } = await startApi({ backups: async () => list });
  const shown = call('status');
  expect([await shown.code, shown.out()]).toEqual([
    0,
    expect.stringContaining('\nThe newest good backup is 5 h old.\n'),
  ]);
  const json = call('status', '--json');
  expect([await json.code, JSON.parse(json.out()).backups]).toEqual([0, list]);
  list = { items: [], problem: 'There is no backup: make one.' };
  const none = call('status');
  expect([await none.code, none.out()]).toEqual([0, expect.stringContaining(`\n${list.problem}\n`)]);
});
